import type { OperationKind } from '../../events/event.ts';
import { harmlessLine } from '../harmless.ts';
import { counted, columns as width, wrapped } from '../text.ts';
import type { Plan, Step } from './operation.ts';

const indent = '      ';

/** A path on one line, its end kept: the name tells more than the folders. */
const shown = (path: string, most: number): string => {
  const text = harmlessLine(path);
  const letters = [...text];
  return letters.length > most ? `…${letters.slice(1 - most).join('')}` : text;
};

const kinds: readonly (readonly [OperationKind, string, string])[] = [
  ['save', 'save', 'saves'],
  ['delete', 'delete', 'deletes'],
  ['rename', 'rename', 'renames'],
  ['move', 'move', 'moves'],
  ['update_permissions', 'permission change', 'permission changes'],
];

const countsOf = (steps: readonly Step[]): string =>
  kinds
    .flatMap(([kind, one, many]) => {
      const count = steps.filter(({ operation }) => operation.kind === kind).length;
      return count === 0 ? [] : [counted(count, one, many)];
    })
    .join(', ');

const bytesOf = (steps: readonly Step[]): string => {
  const bytes = steps.reduce((sum, { operation }) => sum + (operation.kind === 'save' ? (operation.size ?? 0) : 0), 0);
  return bytes === 0 ? '' : `; ${counted(bytes, 'byte')} to carry over`;
};

const stepLines = ({ operation, after, why }: Step, index: number): string[] => {
  const head = `${String(index).padStart(4)}  ${operation.kind.padEnd(18)} `;
  const room = width - head.length;
  const from = shown(operation.path, room);
  const to = operation.to === undefined ? undefined : shown(operation.to, room - 3);
  const oneLine = to !== undefined && from.length + to.length + 4 <= room;
  const place =
    to === undefined
      ? [head + from]
      : oneLine
        ? [`${head}${from} -> ${to}`]
        : [head + from, `${' '.repeat(head.length)}-> ${to}`];
  const waits = after.slice(0, 5).join(', ') + (after.length > 5 ? ', …' : '');
  return [...place, ...wrapped(`${harmlessLine(why)}${waits === '' ? '' : ` (after ${waits})`}`, indent, indent)];
};

/**
 * A plan for a person at 80 columns: what it does, then each operation with the reason why it is there, `most` of them.
 * `waiting` objects differ too, and are not in it: their next try comes later. So do those that are `withheld` as a plan of
 * their own, and the `later` paths that are for another cycle.
 */
export const describePlan = (
  plan: Plan,
  held: readonly string[],
  {
    most = 50,
    waiting = 0,
    withheld = 0,
    later = 0,
  }: { most?: number; waiting?: number; withheld?: number; later?: number } = {},
): string => {
  const { steps, unplaceable } = plan;
  const wait = `${counted(waiting, 'object')} could not be carried over and will be tried again later`;
  if (steps.length === 0 && unplaceable.length === 0 && waiting > 0)
    return `Nothing to do now. ${wait}:\n's3-sync status' names the next.\n`;
  if (steps.length === 0 && unplaceable.length === 0 && withheld > 0)
    return 'Nothing to do but what waits for a person:\n';
  if (steps.length === 0 && unplaceable.length === 0 && later === 0)
    return 'Nothing to do: nothing differs from what the file manager has confirmed.\n';
  const lines = [`Plan ${plan.id}: ${counted(steps.length, 'operation')}`];
  if (steps.length > 0) lines.push(...wrapped(`${countsOf(steps)}${bytesOf(steps)}`, '  ', '  '));
  for (const reason of held) lines.push(...wrapped(harmlessLine(reason), '  HELD: ', '        '));
  lines.push(...steps.slice(0, most).flatMap(stepLines));
  if (steps.length > most) lines.push(`${indent}… and ${steps.length - most} more`);
  for (const { path, reason } of unplaceable.slice(0, most))
    lines.push(`   !  ${shown(path, width - indent.length)}`, ...wrapped(harmlessLine(reason), indent, indent));
  if (unplaceable.length > most) lines.push(`${indent}… and ${unplaceable.length - most} more that cannot be placed`);
  if (waiting > 0) lines.push(...wrapped(`${wait}: 's3-sync status' names the next`, '  ', '  '));
  if (later > 0)
    lines.push(
      ...wrapped(
        `${counted(later, 'path that differs is', 'paths that differ are')} left for another cycle`,
        '  ',
        '  ',
      ),
    );
  if (held.length > 0) lines.push('', `To carry it out all the same: s3-sync apply ${plan.id}`);
  return `${lines.join('\n')}\n`;
};
