import { type FileRow, rowKey } from '../../projections/rows.ts';
import { replacedRows, type Verdict } from './gate.ts';
import type { Change, Plan } from './operation.ts';
import type { StoredPlan } from './store.ts';
import { deletionsOf } from './undo.ts';

/** A row of which nothing is known but its path (`unknownAt`) is told from others by that alone. */
const lossOf = ({ file_id, offset, path }: FileRow): string => rowKey({ offset: file_id === 0 ? 0 : offset, path });

/** What a plan that takes this away may leave at its path where nobody knows what became of it. */
const leftOf = (loss: string): string => rowKey({ offset: 0, path: loss.slice(loss.indexOf(' ') + 1) });

/**
 * The rows that a plan takes away, by `rowKey`. Not its operations: of the same files a plan may delete the folder at once,
 * or one by one.
 */
export const lossesOf = (plan: Plan, changes: readonly Change[]): readonly string[] =>
  [...deletionsOf(plan, changes).flatMap(({ rows }) => rows), ...replacedRows(plan, changes)].map(lossOf);

/** What a person has agreed to lose. */
const namedIn = (released: readonly StoredPlan[]): ReadonlySet<string> => {
  const losses = released.flatMap((stored) => stored.losses ?? []);
  return new Set([...losses, ...losses.map(leftOf)]);
};

/** Whether all of these losses were named by a person. */
export const isNamed = (losses: readonly string[], released: readonly StoredPlan[]): boolean => {
  const named = namedIn(released);
  return losses.every((loss) => named.has(loss));
};

/** Whether a plan was held under these circumstances already when a person was shown one of the released ones. */
export const isTold = ({ circumstances }: Verdict, released: readonly StoredPlan[]): boolean => {
  const told = new Set(released.flatMap((stored) => stored.circumstances ?? []));
  return circumstances.every((each) => told.has(each));
};

/**
 * Whether a person has already agreed to what holds this plan: each file that it takes away is one that a released plan
 * takes away, and what else speaks against it was told of one. What came since, and takes nothing away, goes along: a bucket
 * that is busy would otherwise have another plan each time that one is named.
 */
export const isCovered = (
  plan: Plan,
  changes: readonly Change[],
  verdict: Verdict,
  released: readonly StoredPlan[],
): boolean => released.length > 0 && isNamed(lossesOf(plan, changes), released) && isTold(verdict, released);

/** Whether a release still has to do with this plan. One that has not is over: what it named may never be meant again. */
export const isStillMeant = (
  stored: StoredPlan,
  plan: Plan,
  changes: readonly Change[],
  { circumstances }: Verdict,
): boolean => {
  const named = namedIn([stored]);
  return (
    lossesOf(plan, changes).some((loss) => named.has(loss)) ||
    circumstances.some((each) => stored.circumstances?.includes(each))
  );
};
