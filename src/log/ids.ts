import { hash } from 'node:crypto';
import type { Recorded } from '../../events/event.ts';
import { failpoint } from '../failpoint.ts';
import type { Queries } from '../storage/database.ts';
import { eventColumnList } from './columns.ts';
import type { EventRow } from './rows.ts';

/**
 * Where in the log each id stands. Ids are random, so an index over them is written all over: under a UNIQUE constraint a
 * batch of 5,000 rewrote 4,000 pages of a log of a million. Here the newest ids are held in memory, and their digests go
 * into `known_id` many at a time and in its order.
 */
export type Ids = {
  /** The events of these ids that the log holds, by id. */
  find(queries: Queries, ids: readonly string[]): Promise<Map<string, EventRow>>;
  /** Writes what is held once it is much, and resolves with whether it did. It stays held until `committed`. */
  write(queries: Queries): Promise<boolean>;
  /** Says that a transaction was committed: whether it wrote what was held before, and its new events. */
  committed(wrote: boolean, events: readonly Recorded[]): void;
};

/** Ids held in memory, which the next start reads again: some 5 MB and a tenth of a second. */
const heldMax = 50_000;

/** `digest` is left out where nobody needed it yet. */
export type IdPlace = { readonly id: string; readonly offset: number; readonly digest?: number | undefined };

/** The first 48 bits of the id's SHA-256: an integer that JavaScript holds exactly. Two ids may share one. */
const digestOf = (id: string): number =>
  // As text, since a buffer for each takes twice as long.
  Number.parseInt(hash('sha256', id, 'hex').slice(0, 12), 16);

/** Parts of places whose offsets follow one another: all are one, unless an event is missing. */
function* runsOf(places: readonly IdPlace[]): Generator<readonly IdPlace[]> {
  for (let from = 0, to = 1; from < places.length; to += 1) {
    if (places[to]?.offset === (places[to - 1]?.offset ?? 0) + 1) continue;
    yield places.slice(from, to);
    from = to;
  }
}

/** Writes the digests of the ids that follow, in the log, those that were written before. SQLite sorts them, on its thread. */
export const writeIds = async (queries: Queries, places: readonly IdPlace[]): Promise<void> => {
  for (const run of runsOf(places)) {
    const digests = run.map(({ id, digest = digestOf(id) }) => digest);
    await queries.run('INSERT INTO known_id SELECT value, ? + key FROM json_each(?) ORDER BY value', [
      run[0]?.offset ?? 0,
      JSON.stringify(digests),
    ]);
  }
  await queries.run(`INSERT OR REPLACE INTO meta VALUES ('ids_through', ?)`, [places.at(-1)?.offset ?? 0]);
};

/** Up to `limit` of the ids that are not written yet, in the order of the log. */
export const unwrittenIds = (queries: Queries, limit: number): Promise<IdPlace[]> =>
  queries.all<IdPlace>(
    `SELECT id, "offset" FROM event
     WHERE "offset" > coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'ids_through'), 0)
     ORDER BY "offset" LIMIT ?`,
    [limit],
  );

export const openIds = async (queries: Queries): Promise<Ids> => {
  const held = new Map((await unwrittenIds(queries, -1)).map((place) => [place.id, place]));
  /** The ids that were looked for last and are not held, in order: those that turn out to be new are held next. */
  let looked: { readonly id: string; readonly digest: number }[] = [];
  return {
    find: async (queries, ids) => {
      if (ids.length === 0) return new Map();
      const offsets: number[] = [];
      looked = [];
      for (const id of ids) {
        const place = held.get(id);
        if (place) offsets.push(place.offset);
        else looked.push({ id, digest: digestOf(id) });
      }
      const rows = await queries.all<EventRow>(
        `SELECT ${eventColumnList} FROM event WHERE "offset" IN (
           SELECT value FROM json_each(?)
           UNION ALL SELECT "offset" FROM json_each(?) CROSS JOIN known_id ON digest = value)`,
        [JSON.stringify(offsets), JSON.stringify(looked.map(({ digest }) => digest))],
      );
      return new Map(rows.map((row) => [row.id, row]));
    },
    write: async (queries) => {
      if (held.size < heldMax) return false;
      failpoint('ids.before');
      await writeIds(queries, [...held.values()]);
      failpoint('ids.written');
      return true;
    },
    committed: (wrote, events) => {
      if (wrote) held.clear();
      let at = 0;
      for (const { id, offset } of events) {
        // In the order in which they were looked for, as far as they are new: what is not found is hashed once more.
        while (at < looked.length && looked[at]?.id !== id) at += 1;
        held.set(id, { id, offset, digest: looked[at]?.digest });
      }
      looked = [];
    },
  };
};
