import type { Change } from '../plan/operation.ts';
import { planChanges } from '../plan/plan.ts';
import { isNamed, lossesOf } from '../plan/release.ts';
import type { Kept, StoredPlan } from '../plan/store.ts';
import { undoneRows } from '../plan/undo.ts';
import type { Queries } from '../storage/database.ts';
import { counted } from '../text.ts';

/** Why these deletes wait. */
const undoneReason = (files: number): string =>
  `${counted(files, 'file was', 'files were')} brought back by 's3-sync undo', and the bucket still lacks ${files === 1 ? 'it' : 'them'}`;

/**
 * Keeps the deletes of what a person has brought back out of the plan, so that everything else goes on: they are a plan of
 * their own, which waits until a person releases it by its id.
 */
export const withoutUndone = async (
  queries: Queries,
  changes: readonly Change[],
  released: readonly StoredPlan[],
): Promise<{ changes: readonly Change[]; withheld?: Kept }> => {
  if (!changes.some(({ want }) => want === null)) return { changes };
  const isBack = await undoneRows(queries);
  const isUndone = ({ have, want }: Change): boolean => want === null && isBack(have);
  if (!changes.some(isUndone)) return { changes };
  const undoneChanges = changes.filter(isUndone);
  const plan = planChanges(undoneChanges);
  const losses = lossesOf(plan, undoneChanges);
  if (isNamed(losses, released)) return { changes };
  const withheld = { plan, losses, held: [undoneReason(plan.steps.length)] };
  return { changes: changes.filter((change) => !isUndone(change)), withheld };
};
