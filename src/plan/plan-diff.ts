import type { FileRow } from '../../projections/rows.ts';
import type { OnDoubt } from '../diff/beside.ts';
import { changeOf, type OnPair } from '../diff/diff.ts';
import { isFolderEntry, sameFile, textOfPath } from '../diff/entry.ts';
import type { Change, Plan, Step, Unplaceable } from './operation.ts';
import { type Counts, createOperationLines, type OperationLines, type Printer } from './operation-lines.ts';
import { createUnpacked } from './packed.ts';
import { comparePaths } from './paths.ts';
import type { PlanOptions } from './plan.ts';
import { createRest, type Rest } from './rest.ts';
import { createSettled } from './settled.ts';

export type DiffSource = {
  /** Hands every pair of records that differ to `onPair`, in path order; may be called more than once. */
  readonly walk: (onPair: OnPair, onDoubt?: OnDoubt) => void;
  /** The rows of the doubted names, whether they differ or not. */
  readonly rowsOf: (names: readonly string[]) => readonly FileRow[];
};

export type DiffPlan = { readonly counts: Counts; readonly unplaceable: readonly Unplaceable[] };

/**
 * The operations of `planChanges` for a diff of any size, as lines of JSON. Most changes have nothing to do with each other:
 * their records are kept as bytes, and become lines without the planner. It is given only those that could be in each
 * other's way, and where one of them touches a file that stays in place, or may be in the way of one that did not change,
 * everything. Memory grows by some 120 bytes for a change. Without a printer operations are only counted. The planner is
 * loaded where it is needed.
 */
export const planDiff = async ({ walk, rowsOf }: DiffSource, printer?: Printer): Promise<DiffPlan> => {
  const settled = createSettled();
  const rest = createRest();
  const doubts = new Set<string>();
  walk(
    (have, want) => {
      if (have && want && sameFile(have, want) && !isFolderEntry(want)) settled.add(have, want);
      else {
        rest.add(have, want);
        settled.passBy(have, want);
      }
    },
    (name) => doubts.add(name),
  );
  const beside = doubts.size === 0 ? [] : rowsOf([...doubts]);
  const lines = createOperationLines(printer);
  if (beside.length > 0 || settled.isTouched() || rest.holdsAny(settled.contents)) {
    const all: Change[] = [];
    walk((have, want) => all.push(changeOf(have, want)));
    const { steps, unplaceable } = await plan(all, beside);
    for (const { operation } of steps) lines.add(operation);
    return { counts: lines.finish(), unplaceable };
  }
  settled.writeTo(lines);
  const unplaceable = await writeRest(rest, lines);
  return { counts: lines.finish(), unplaceable };
};

/** What did not change may lie beneath any folder, and keeps its permissions when those of the folder change. */
export const unchangedBeneath: PlanOptions = {
  capabilities: ['folder-permissions'],
  filesUnder: () => Number.POSITIVE_INFINITY,
};

const plan = async (
  changes: readonly Change[],
  beside: readonly FileRow[] = [],
): Promise<Pick<Plan, 'steps' | 'unplaceable'>> => {
  if (changes.length === 0) return { steps: [], unplaceable: [] };
  const { planChanges } = await import('./plan.ts');
  return planChanges(changes, { ...unchangedBeneath, beside });
};

const writeRest = async (rest: Rest, lines: OperationLines): Promise<readonly Unplaceable[]> => {
  const { gone, renamed, others } = rest.divide(lines.save);
  const [first, second] = [createUnpacked(), createUnpacked()];
  const [have, want] = [first.entry, second.entry];
  const { steps, unplaceable } = await plan(others);
  const isLast = lastOf(steps);
  let next = 0;
  /** Renames that the planner would put before a step that comes last, or has this path. */
  const writeRenamed = (until?: string): void => {
    for (; next < renamed.from.length; next += 1) {
      rest.read(renamed.from[next] as number, first);
      if (until !== undefined && comparePaths(textOfPath(have), until) > 0) return;
      rest.read(renamed.to[next] as number, second);
      lines.move(have, want);
    }
  };
  steps.forEach(({ operation }, index) => {
    writeRenamed(isLast(index) ? undefined : operation.path);
    lines.add(operation);
  });
  writeRenamed();
  for (const position of gone) {
    rest.read(position, first);
    lines.delete(have);
  }
  return unplaceable;
};

/** Which steps come after all others: deletes that nothing waits for. */
const lastOf = (steps: readonly Step[]): ((index: number) => boolean) => {
  const awaited = new Set(steps.flatMap(({ after }) => after));
  return (index) => steps[index]?.operation.kind === 'delete' && !awaited.has(index);
};
