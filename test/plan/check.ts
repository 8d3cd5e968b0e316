import type { ExecutionContext } from 'ava';
import type { FileRow } from '../../projections/rows.ts';
import type { Plan } from '../../src/plan/operation.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { admissibleOrder, carryOut, changesBetween, contentOf, diskOf, listingOf } from './model.ts';
import { facts } from './tables.ts';

/** What a disk holds once it equals the table, where `null` has no opinion of permissions, and what is `left` as it is has none. */
const expected = (want: readonly FileRow[], found: readonly string[], left: ReadonlySet<string>): string[] => {
  const permissions = new Map(found.map((line) => [line.split(' ')[0], line.split(' ')[2] ?? 'null']));
  const opinionOf = ({ path, permissions: stated }: FileRow): string | null => (left.has(path) ? null : stated);
  return listingOf(
    diskOf(want.map((file) => ({ ...file, permissions: opinionOf(file) ?? permissions.get(file.path) ?? null }))),
  );
};

const brief = (rows: readonly FileRow[]): string[] =>
  rows.map((file) => `${file.path} ${file.file_id} ${contentOf(file)} ${file.permissions}`);

export type CheckOptions = {
  readonly capabilities: readonly string[];
  readonly random: () => number;
  readonly ignoresCase?: boolean;
};

/**
 * Carries the plan from one table to the other out on a strict disk, in a random admissible order, and compares. Returns
 * the plan when it held; otherwise the test has failed, with the whole story.
 */
export const planHolds = (
  t: ExecutionContext,
  have: readonly FileRow[],
  want: readonly FileRow[],
  { capabilities, random, ignoresCase = false }: CheckOptions,
): Plan | undefined => {
  const disk = diskOf(have, ignoresCase);
  let plan: Plan | undefined;
  const story = (): string =>
    JSON.stringify({
      have: brief(have),
      want: brief(want),
      capabilities,
      steps: plan?.steps.map(
        ({ operation, after }) => `${operation.kind} ${operation.path} ${operation.to ?? ''} after ${after}`,
      ),
    });
  try {
    plan = planChanges(changesBetween(have, want), facts(have, capabilities));
    for (const step of admissibleOrder(plan, random)) carryOut(disk, step);
  } catch (error) {
    t.fail(`${String(error)}: ${story()}`);
    return undefined;
  }
  const found = listingOf(disk);
  // Permissions of a folder alone, where they cannot be set: reported, and left as they are.
  const left = new Set(plan.unplaceable.map(({ path }) => path));
  const wanted = expected(want, found, left);
  if (JSON.stringify(found) === JSON.stringify(wanted)) return plan;
  t.deepEqual(found, wanted, story());
  return undefined;
};
