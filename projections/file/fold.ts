import { type BucketEvent, pathsOf, type Recorded } from '../../events/event.ts';
import { compareEvents } from '../../events/order.ts';
import type { FileRow } from '../rows.ts';
import type { StoreWithLog } from '../store.ts';
import { chmodTree, deleteTree, moveTree } from '../tree.ts';
import type { Totals, WorkingSet } from '../working-set.ts';
import { evolve, evolveTree } from './evolve.ts';
import { extend, type Frontier, isBeyond } from './frontier.ts';
import { createNewest, extendHistory, type Newest, startHistory } from './history.ts';
import { createLineage } from './lineage.ts';
import { isTreeEvent, keysTouching } from './paths.ts';

type Event = Recorded<BucketEvent>;

/** What the fold remembers between windows, beside its tables. */
export type FileFoldState = {
  readonly frontier: Frontier;
  /** Whether the history is kept: from the first window on that held an event out of order. */
  keepsHistory: boolean;
};

/**
 * Folds one window of bucket events into the file table. The result depends on the events alone, never on where windows
 * begin and end: an event that comes after all that touched its paths is applied to the rows as they stand, any other one
 * through its lineage. Rows stay in memory, unwritten, until the caller flushes them.
 */
export const foldBucketEvents = async (
  store: StoreWithLog,
  events: readonly Event[],
  state: FileFoldState,
  rows: WorkingSet,
): Promise<Totals> => {
  const totals: Totals = { files: 0, bytes: 0 };
  const first = events[0];
  const last = events.at(-1);
  if (!first || !last) return totals;
  const beyond = events.map((event) => {
    const answer = isBeyond(state.frontier, event);
    extend(state.frontier, event);
    return answer;
  });
  if (beyond.includes(false) && !state.keepsHistory) {
    await startHistory(store, first.offset);
    state.keepsHistory = true;
  }
  const newest = createNewest(store);
  if (state.keepsHistory) {
    await extendHistory(store, first.offset, last.offset);
    await newest.load(events.flatMap((event, index) => (beyond[index] ? [] : keysAround(event))));
  }
  const flush = async (): Promise<void> => add(totals, await rows.flush());

  for (let at = 0; at < events.length; at++) {
    const event = events[at] as Event;
    const tree = isTreeEvent(event);
    if (tree && !beyond[at]) await foldLate(store, rows, event);
    else if (tree) {
      if (!(await evolveTree(rows, event))) {
        await flush();
        add(totals, await foldTree(store, event));
      }
    } else if (!beyond[at] && comesLate(newest, event)) await foldLate(store, rows, event);
    else {
      if (!rows.has(event.path) || (event.to !== undefined && !rows.has(event.to))) {
        await rows.load(pathsUpToNextTree(events, at));
      }
      evolve(rows, event);
    }
    if (state.keepsHistory) newest.note(event, beyond[at] === true);
  }
  if (rows.isFull()) await flush();
  if (state.keepsHistory) await newest.flush();
  return totals;
};

const add = (totals: Totals, change: Totals): void => {
  totals.files += change.files;
  totals.bytes += change.bytes;
};

const keysAround = (event: Event): string[] => pathsOf(event).flatMap(keysTouching);

const comesLate = (newest: Newest, event: Event): boolean => {
  const latest = newest.among(keysAround(event));
  return latest !== undefined && compareEvents(latest, event) > 0;
};

/** What one bulk read takes: point events up to the next one that may change a whole folder behind the working set's back. */
export function* pathsUpToNextTree(events: readonly Event[], from = 0): Generator<string> {
  for (let at = from; at < events.length; at++) {
    const event = events[at] as Event;
    if (isTreeEvent(event)) return;
    yield* pathsOf(event);
  }
}

const foldTree = async (store: StoreWithLog, event: Event): Promise<Totals> => {
  if (event.type === 'delete') return deleteTree(store, 'file', event.path);
  if (event.type === 'change_permission') {
    if (event.permissions !== undefined) await chmodTree(store, 'file', event.path, event.permissions, event.offset);
    return { files: 0, bytes: 0 };
  }
  return moveTree(store, 'file', event.path, event.to as string, event.offset);
};

/** Computes anew what stands wherever a late event can reach. A row that comes out the same is left as it is. */
const foldLate = async (store: StoreWithLog, rows: WorkingSet, event: Event): Promise<void> => {
  const lineage = createLineage(store, event.offset);
  const reached = await lineage.reach(event);
  await rows.load(reached);
  for (const path of reached) {
    const before = rows.get(path);
    const after = await lineage.standing(path);
    if (!after) {
      if (before) rows.remove(path);
    } else if (!before || !looksSame(before, after)) {
      rows.set({ ...after, offset: event.offset });
    }
  }
};

const looksSame = (a: FileRow, b: FileRow): boolean =>
  a.key === b.key &&
  a.size === b.size &&
  a.etag === b.etag &&
  a.permissions === b.permissions &&
  a.modified_at === b.modified_at;
