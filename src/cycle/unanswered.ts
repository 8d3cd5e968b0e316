import { foldersAround, isFolder } from '../../events/event.ts';
import type { Change, Step } from '../plan/operation.ts';
import { diskName } from '../plan/paths.ts';
import { renamesOf } from '../plan/plan.ts';
import type { Database, Queries } from '../storage/database.ts';
import { type Failed, isAmong, noteTries, placeOf, triedIn, type UnreadableSchedule, waitingIn } from './unreadable.ts';

/** When what the file manager has said nothing about comes up again. */
export type Asking = {
  /** This machine's clock, in milliseconds. */
  readonly clock: () => number;
  readonly schedule: UnreadableSchedule;
  /** All of it is asked about now. */
  readonly now: boolean;
};

/**
 * Divides the steps under way: `fresh` are those that were not asked about yet, `again` those whose time has come, those first
 * that have waited longest, and `later` can wait.
 */
export const stepsDue = async (
  queries: Pick<Queries, 'all'>,
  steps: readonly Step[],
  { clock, schedule, now }: Asking,
): Promise<Record<'fresh' | 'again' | 'later', readonly Step[]>> => {
  if (now) return { fresh: steps, again: [], later: [] };
  const known = await triedIn(queries, 'unanswered');
  const waiting = await waitingIn(queries, 'unanswered', clock(), schedule);
  const at = Map.groupBy(steps, placeOf);
  const again = [...known.keys()]
    .flatMap((place) => at.get(place) ?? [])
    .filter((step) => isAmong(known, step) && !isAmong(waiting, step));
  const fresh = steps.filter((step) => !isAmong(known, step));
  return { fresh, again, later: steps.filter((step) => !fresh.includes(step) && !again.includes(step)) };
};

/**
 * Keeps when those that failed are asked about again, and forgets what is no longer `left` under way. Resolves with how many
 * were not answered.
 */
export const noteUnanswered = async (
  database: Database,
  failed: readonly Failed[],
  left: readonly Step[],
  { clock, schedule }: Asking,
): Promise<number> => {
  const open = new Set(left.map(({ operation }) => operation.op_id));
  const unanswered = failed.filter(({ step }) => open.has(step.operation.op_id));
  // To wait for an answer in vain may take longer than the wait until the next try.
  await noteTries(database, 'unanswered', unanswered, clock(), schedule);
  await database.run('DELETE FROM unanswered WHERE path NOT IN (SELECT value FROM json_each(?))', [
    JSON.stringify(left.map(placeOf)),
  ]);
  return unanswered.length;
};

/** Where nobody knows what the file manager holds, or will hold in a moment. */
export type OpenPlaces = {
  /** Whether a change of this path has to do with one of them: it is there, beneath it, or around it. */
  touches(path: string): boolean;
  /** Whether one of them lies beneath the folder, or is the folder. */
  isIn(folder: string): boolean;
};

/** The places of operations, by the paths that these name. */
export const openAt = (paths: readonly string[]): OpenPlaces => {
  // As folders, since what is a file here may be one there.
  const places = new Set(paths.map((path) => diskName(isFolder(path) ? path : `${path}/`)));
  const around = new Set(paths.flatMap((path) => foldersAround(diskName(path))));
  return {
    touches: (path) => {
      const name = diskName(isFolder(path) ? path : `${path}/`);
      return around.has(name) || foldersAround(name).some((folder) => places.has(folder));
    },
    isIn: (folder) => around.has(diskName(folder)),
  };
};

/**
 * The changes without those of open places, and without those that depend on them: the other half of a rename, since half of
 * one would be a delete or a second copy, and what cannot be placed beside a file that stays for that.
 */
export const withoutOpen = (
  changes: readonly Change[],
  open: OpenPlaces,
  unpaired: ReadonlySet<string>,
): readonly Change[] => {
  let left = changes.filter(({ path }) => open.touches(path));
  if (left.length === 0) return changes;
  const tied = new Map<string, string[]>();
  for (const { have, want } of renamesOf(changes, unpaired)) {
    tied.set(have.path, [...(tied.get(have.path) ?? []), want.path]);
    tied.set(want.path, [...(tied.get(want.path) ?? []), have.path]);
  }
  let rest = changes;
  while (left.length > 0) {
    const gone = new Set(left.map(({ path }) => path));
    rest = rest.filter(({ path }) => !gone.has(path));
    const halves = new Set(left.flatMap(({ path }) => tied.get(path) ?? []));
    const isInTheWay = staying(left.flatMap(({ have }) => have?.path ?? []));
    left = rest.filter(({ path, want }) => halves.has(path) || (want !== null && isInTheWay(path)));
  }
  return rest;
};

/**
 * Tells what has no place while these stay: what is beneath a file, a file where there is a folder of its name, and one whose
 * name a disk may take for theirs.
 */
const staying = (paths: readonly string[]): ((path: string) => boolean) => {
  const files = new Set(paths.filter((path) => !isFolder(path)).map((path) => `${diskName(path)}/`));
  const folders = new Set(paths.flatMap((path) => foldersAround(diskName(path))));
  return (path) => {
    const name = diskName(path);
    const asFolder = isFolder(path) ? name : `${name}/`;
    return foldersAround(asFolder).some((folder) => files.has(folder)) || (!isFolder(path) && folders.has(asFolder));
  };
};
