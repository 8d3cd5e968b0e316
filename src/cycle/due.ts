import type { FileRow } from '../../projections/rows.ts';
import type { Change } from '../plan/operation.ts';
import { renamesOf } from '../plan/plan.ts';
import type { Queries } from '../storage/database.ts';
import type { CycleOptions } from './cycle.ts';
import { supersededSchedule, unreadableSchedule, waitingIn } from './unreadable.ts';

/**
 * The changes without the objects whose time has not come yet. What they would replace stays meanwhile, unless a rename
 * takes it where it is wanted. What a rename would bring does not wait for being read: its file would be deleted. It does
 * where it is superseded: the object has that content no more. `unpaired`: see ask-paired.ts.
 */
export const dueNow = async (
  queries: Queries,
  changes: readonly Change[],
  unpaired: ReadonlySet<string>,
  { now = Date.now, unreadable = unreadableSchedule, superseded = supersededSchedule }: CycleOptions,
): Promise<readonly Change[]> => {
  const unread = await waitingIn(queries, 'unreadable', now(), unreadable);
  const outdated = await waitingIn(queries, 'superseded', now(), superseded);
  if (unread.size === 0 && outdated.size === 0) return changes;
  const renames = renamesOf(changes, unpaired);
  const taken = new Set<FileRow | null>(renames.map(({ have }) => have));
  const brought = new Set(renames.map(({ want }) => want));
  const waits = ({ path, have, want }: Change): boolean => {
    if (!want || taken.has(have)) return false;
    return outdated.get(path) === want.offset || (unread.get(path) === want.offset && !brought.has(want));
  };
  return changes.filter((change) => !waits(change));
};
