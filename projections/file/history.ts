import type { BucketEvent, Recorded } from '../../events/event.ts';
import { compareEvents } from '../../events/order.ts';
import type { StoreWithLog } from '../store.ts';
import { keysOf } from './paths.ts';

/**
 * The history of each path: an index over the log, kept from the first event on that is not in order. It is what a
 * tombstone is elsewhere: a path that was deleted keeps its history, so an event that arrives late finds its place.
 */

/** What an event's path gets at its end in the index: a slash more where the event is about all beneath a folder. */
const keysInSql = `
  CASE WHEN path LIKE '%/' AND type <> 'create' AND scope IS NULL THEN '/' ELSE '' END`;

const entriesInSql = `
  SELECT path || ${keysInSql} AS path, "offset" FROM log.event WHERE type <> 'outcome' AND "offset" BETWEEN ? AND ?
  UNION ALL
  SELECT "to" || ${keysInSql}, "offset" FROM log.event WHERE "to" IS NOT NULL AND type <> 'outcome' AND "offset" BETWEEN ? AND ?`;

/** Adds the events of a range of offsets to the history. */
export const extendHistory = async (store: StoreWithLog, from: number, to: number): Promise<void> => {
  await store.run(`INSERT OR IGNORE INTO history ${entriesInSql}`, [from, to, from, to]);
};

/**
 * Starts the history with everything before `firstLate`, all of which came in order: the newest event of a key is the one
 * with the highest offset.
 */
export const startHistory = async (store: StoreWithLog, firstLate: number): Promise<void> => {
  await extendHistory(store, 1, firstLate - 1);
  await store.run(
    'INSERT OR REPLACE INTO newest SELECT path, max("offset") FROM history WHERE "offset" < ? GROUP BY path',
    [firstLate],
  );
};

/** The newest event by order under each key, for one window; changes are written back at its end. */
export type Newest = {
  load(keys: Iterable<string>): Promise<void>;
  /** The newest loaded event among these keys. */
  among(keys: readonly string[]): Recorded<BucketEvent> | undefined;
  /** Notes an event; `beyond`: it is known to come after everything. */
  note(event: Recorded<BucketEvent>, beyond: boolean): void;
  flush(): Promise<void>;
};

export const createNewest = (store: StoreWithLog): Newest => {
  const events = new Map<string, Recorded<BucketEvent> | undefined>();
  const changed = new Map<string, number>();
  return {
    load: async (keys) => {
      const missing = [...new Set(keys)].filter((key) => !events.has(key));
      if (missing.length === 0) return;
      const rows = await store.all<{ path: string; offset: number }>(
        'SELECT n.path, n."offset" FROM json_each(?) AS wanted JOIN newest AS n ON n.path = wanted.value',
        [JSON.stringify(missing)],
      );
      const found = new Map(
        (await store.eventsAt(rows.map((row) => row.offset))).map((event) => [event.offset, event]),
      );
      for (const row of rows) events.set(row.path, found.get(row.offset));
    },
    among: (keys) => {
      let newest: Recorded<BucketEvent> | undefined;
      for (const key of keys) {
        const event = events.get(key);
        if (event && (!newest || compareEvents(newest, event) < 0)) newest = event;
      }
      return newest;
    },
    note: (event, beyond) => {
      for (const key of keysOf(event)) {
        const known = events.get(key);
        if (!beyond && known && compareEvents(known, event) > 0) continue;
        events.set(key, event);
        changed.set(key, event.offset);
      }
    },
    flush: async () => {
      await store.run('INSERT OR REPLACE INTO newest SELECT value->>0, value->>1 FROM json_each(?)', [
        JSON.stringify([...changed]),
      ]);
      events.clear();
      changed.clear();
    },
  };
};
