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

export type IdPlace = { readonly id: string; readonly offset: number };

/** The first 48 bits of the id's SHA-256: an integer that JavaScript holds exactly. Two ids may share one. */
const digestOf = (id: string): number => hash('sha256', id, 'buffer').readUIntBE(0, 6);

/** Writes the digests of the ids that follow, in the log, those that were written before. */
export const writeIds = async (queries: Queries, places: readonly IdPlace[]): Promise<void> => {
  const rows = places.map(({ id, offset }) => [digestOf(id), offset] as const).sort(([a], [b]) => a - b);
  await queries.run('INSERT INTO known_id SELECT value->>0, value->>1 FROM json_each(?)', [JSON.stringify(rows)]);
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
  const unwritten = await unwrittenIds(queries, -1);
  const held = new Map(unwritten.map(({ id, offset }) => [id, offset]));
  return {
    find: async (queries, ids) => {
      if (ids.length === 0) return new Map();
      const offsets = ids.flatMap((id) => held.get(id) ?? []);
      const digests = ids.filter((id) => !held.has(id)).map(digestOf);
      const rows = await queries.all<EventRow>(
        `SELECT ${eventColumnList} FROM event WHERE "offset" IN (
           SELECT value FROM json_each(?)
           UNION ALL SELECT "offset" FROM json_each(?) CROSS JOIN known_id ON digest = value)`,
        [JSON.stringify(offsets), JSON.stringify(digests)],
      );
      return new Map(rows.map((row) => [row.id, row]));
    },
    write: async (queries) => {
      if (held.size < heldMax) return false;
      failpoint('ids.before');
      await writeIds(
        queries,
        Array.from(held, ([id, offset]) => ({ id, offset })),
      );
      failpoint('ids.written');
      return true;
    },
    committed: (wrote, events) => {
      if (wrote) held.clear();
      for (const { id, offset } of events) held.set(id, offset);
    },
  };
};
