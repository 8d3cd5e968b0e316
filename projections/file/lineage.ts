import { type BucketEvent, pathsOf, type Recorded } from '../../events/event.ts';
import { compareEvents } from '../../events/order.ts';
import { type FileRow, keyAt } from '../rows.ts';
import { endOfFolder, type StoreWithLog } from '../store.ts';
import { carriedRow } from './evolve.ts';
import { carried, isTreeEvent, keysTouching } from './paths.ts';

type Event = Recorded<BucketEvent>;

/**
 * Where an event that arrives late belongs.
 *
 * The file table is a function of the set of events: what stands at a path is found by following the path back through
 * its history, in the events' own order: to the create that wrote it, across the renames that brought it there, unless a
 * delete comes first. So after a late event nothing is undone and redone: the paths that it can reach are found by
 * following it forward, and what stands there is computed anew.
 *
 * The oracle is the plain fold over the sorted events (test/projections/convergence.test.ts).
 */
export type Lineage = {
  /** What stands at `path` just before `before`, or now; by all events folded so far. */
  standing(path: string, before?: Event): Promise<FileRow | undefined>;
  /** The paths at which something may stand differently because of `event`. */
  reach(event: Event): Promise<Set<string>>;
};

/** A lineage over the events up to offset `upTo`; it caches, and is made for one late event. */
export const createLineage = (store: StoreWithLog, upTo: number): Lineage => {
  const cache = new Map<string, Promise<Event[]>>();

  /** Every event that can have touched the path, in order. */
  const touching = (path: string): Promise<Event[]> => {
    const known = cache.get(path);
    if (known) return known;
    const found = (async () => {
      const rows = await store.all<{ offset: number }>(
        'SELECT DISTINCT "offset" FROM history WHERE path IN (SELECT value FROM json_each(?)) AND "offset" <= ?',
        [JSON.stringify(keysTouching(path)), upTo],
      );
      const events = await store.eventsAt(rows.map((row) => row.offset));
      return events.sort(compareEvents);
    })();
    cache.set(path, found);
    return found;
  };

  const standing = async (path: string, before?: Event): Promise<FileRow | undefined> => {
    const events = await touching(path);
    let row: FileRow | undefined;
    let permissions: string | undefined;
    let awaiting: string | undefined;
    /** Takes an older state of the same file into account: it gives identity, and whatever the newer events left open. */
    const olderState = (older: FileRow): void => {
      permissions ??= awaiting ?? older.permissions ?? undefined;
      awaiting = undefined;
      row = row ? { ...row, file_id: Math.min(row.file_id, older.file_id) } : older;
    };
    for (let at = events.length - 1; at >= 0; at--) {
      const event = events[at] as Event;
      if (before && compareEvents(event, before) >= 0) continue;
      if (event.type === 'create') olderState(rowOf(event));
      else if (event.type === 'change_permission') {
        if (permissions === undefined) awaiting ??= event.permissions;
      } else if (event.type === 'delete') break;
      else {
        const origin = carried(path, event.to as string, event.path);
        const brought = origin === undefined ? undefined : await standing(origin, event);
        // What is said of a folder is not said of the files beneath it.
        if (brought) olderState(isTreeEvent(event) ? { ...brought, path } : carriedRow(brought, path, event));
        if (brought || carried(path, event.path, event.to as string) !== undefined) break;
      }
    }
    return row && { ...row, permissions: permissions ?? null };
  };

  /** Where something that stands at `path` right after `event` is now; undefined when it has been deleted since. */
  const destination = async (path: string, event: Event): Promise<string | undefined> => {
    let place = path;
    let since = event;
    for (;;) {
      const next = (await touching(place)).find(
        (later) =>
          compareEvents(later, since) > 0 &&
          (later.type === 'delete' || (later.to !== undefined && carried(place, later.path, later.to) !== undefined)),
      );
      if (!next) return place;
      if (next.type === 'delete') return undefined;
      place = carried(place, next.path, next.to as string) as string;
      since = next;
    }
  };

  /** Every path beneath `folder` at which something may have stood before `before`. */
  const placesBeneath = async (
    folder: string,
    before: Event,
    seen = new Map<string, Set<string>>(),
  ): Promise<Set<string>> => {
    const memo = `${folder}//${before.offset}`;
    const known = seen.get(memo);
    if (known) return known;
    const places = new Set<string>();
    seen.set(memo, places);
    const named = await store.all<{ path: string }>(
      `SELECT DISTINCT path FROM history WHERE path >= ? AND path < ? AND path NOT LIKE '%//' AND "offset" <= ?`,
      [folder, endOfFolder(folder), upTo],
    );
    for (const { path } of named) places.add(path);
    for (const event of await treesAround(folder, before)) {
      const to = event.to as string;
      const part = to.startsWith(folder) ? event.path : event.path + folder.slice(to.length);
      for (const place of await placesBeneath(part, event, seen)) {
        places.add(carried(place, event.path, to) as string);
      }
    }
    return places;
  };

  /** Folder renames and moves before `before` whose destination lies beneath `folder` or around it. */
  const treesAround = async (folder: string, before: Event): Promise<Event[]> => {
    const rows = await store.all<{ offset: number }>(
      `SELECT DISTINCT "offset" FROM history WHERE "offset" <= ?
       AND (path IN (SELECT value FROM json_each(?)) OR (path >= ? AND path < ? AND path LIKE '%//'))`,
      [upTo, JSON.stringify(keysTouching(folder)), folder, endOfFolder(folder)],
    );
    const events = await store.eventsAt(rows.map((row) => row.offset));
    return events.filter(
      (event) =>
        event.to !== undefined &&
        isTreeEvent(event) &&
        (event.to.startsWith(folder) || folder.startsWith(event.to)) &&
        compareEvents(event, before) < 0,
    );
  };

  const reach = async (event: Event): Promise<Set<string>> => {
    const places = new Set<string>();
    for (const root of pathsOf(event)) {
      if (!isTreeEvent(event)) places.add(root);
      else for (const place of await placesBeneath(root, event)) places.add(place);
    }
    for (const place of [...places]) {
      const onward = event.to === undefined ? undefined : carried(place, event.path, event.to);
      if (onward !== undefined) places.add(onward);
    }
    const reached = new Set<string>();
    for (const place of places) {
      const end = await destination(place, event);
      if (end !== undefined) reached.add(end);
    }
    return reached;
  };

  return { standing, reach };
};

const rowOf = (event: Event): FileRow => ({
  path: event.path,
  file_id: event.offset,
  key: keyAt(event.path, event.key ?? null),
  size: event.size ?? null,
  etag: event.etag ?? null,
  permissions: event.permissions ?? null,
  modified_at: event.modifiedAt ?? event.time,
  offset: event.offset,
});
