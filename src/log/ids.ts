import { hash } from 'node:crypto';
import type { Recorded } from '../../events/event.ts';
import { failpoint } from '../failpoint.ts';
import type { Queries } from '../storage/database.ts';
import { eventColumnList } from './columns.ts';
import { createHeldIds, type HeldIds } from './held-ids.ts';
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

/**
 * Ids held in memory: some 4 MB, and a quarter of a second of the next start, which reads them again. In a long log nearly each
 * of their digests lies on a page of its own, and each page is written once for as many of them as it takes.
 */
export const heldIdsMax = 100_000;

/** Ids that are read at once. */
const readMax = 10_000;

export type IdPlace = readonly [id: string, offset: number];

/** The first 48 bits of the id's SHA-256: an integer that JavaScript holds exactly. Two ids may share one. */
const digestOf = (id: string): number => {
  // As text of a byte each, since a buffer takes twice as long.
  const bytes = hash('sha256', id, 'binary');
  return numberOf(bytes, 0) * 2 ** 24 + numberOf(bytes, 3);
};

/** Three bytes, the most significant one first. */
const numberOf = (bytes: string, at: number): number =>
  (bytes.charCodeAt(at) << 16) | (bytes.charCodeAt(at + 1) << 8) | bytes.charCodeAt(at + 2);

const jsonOf = (digests: Float64Array): string => `[${digests.join(',')}]`;

/** Writes the digests of the ids that follow, in the log, those that were written before. SQLite sorts them, on its thread. */
const writeHeld = async (queries: Queries, held: HeldIds): Promise<void> => {
  let through = 0;
  for (const { first, digests } of held.runs()) {
    await queries.run('INSERT INTO known_id SELECT value, ? + key FROM json_each(?) ORDER BY value', [
      first,
      jsonOf(digests),
    ]);
    through = first + digests.length - 1;
  }
  await queries.run(`INSERT OR REPLACE INTO meta VALUES ('ids_through', ?)`, [through]);
};

const hold = (held: HeldIds, places: readonly IdPlace[]): void => {
  for (const [id, offset] of places) held.add(digestOf(id), offset);
};

/** The ids that are not written yet, in the order of the log, some at a time. */
export async function* unwrittenIds(queries: Queries): AsyncGenerator<readonly IdPlace[]> {
  const meta = await queries.get<{ value: string }>(`SELECT value FROM meta WHERE name = 'ids_through'`);
  for (let through = Number(meta?.value ?? 0); ; ) {
    // One piece of JSON for all: an object a row through the driver takes several times as long.
    const found = await queries.get<{ places: string }>(
      `SELECT json_group_array(json_array(id, "offset")) AS places
       FROM (SELECT id, "offset" FROM event WHERE "offset" > ? ORDER BY "offset" LIMIT ?)`,
      [through, readMax],
    );
    const places = JSON.parse(found?.places ?? '[]') as IdPlace[];
    const [, last] = places.at(-1) ?? [];
    if (last === undefined) return;
    yield places;
    through = last;
  }
}

export const writeIds = (queries: Queries, places: readonly IdPlace[]): Promise<void> => {
  const held = createHeldIds();
  hold(held, places);
  return writeHeld(queries, held);
};

export const openIds = async (queries: Queries, heldMax: number): Promise<Ids> => {
  const held = createHeldIds();
  for await (const places of unwrittenIds(queries)) hold(held, places);
  /** The ids that were looked for last, in order: those that turn out to be new are held next. */
  let looked: readonly string[] = [];
  let digests = new Float64Array(0);
  return {
    find: async (queries, ids) => {
      if (ids.length === 0) return new Map();
      const offsets: number[] = [];
      looked = ids;
      digests = Float64Array.from(ids, digestOf);
      for (const digest of digests) held.find(digest, offsets);
      const rows = await queries.all<EventRow>(
        `SELECT ${eventColumnList} FROM event WHERE "offset" IN (
           SELECT value FROM json_each(?)
           UNION ALL SELECT "offset" FROM json_each(?) CROSS JOIN known_id ON digest = value)`,
        // In the order of the table, so that a page is looked for once.
        [JSON.stringify(offsets), jsonOf(digests.toSorted())],
      );
      return new Map(rows.map((row) => [row.id, row]));
    },
    write: async (queries) => {
      if (held.count() < heldMax) return false;
      failpoint('ids.before');
      await writeHeld(queries, held);
      failpoint('ids.written');
      return true;
    },
    committed: (wrote, events) => {
      if (wrote) held.clear();
      let at = 0;
      for (const { id, offset } of events) {
        // In the order in which they were looked for, as far as they are new: what is not found is hashed once more.
        while (at < looked.length && looked[at] !== id) at += 1;
        held.add(digests[at] ?? digestOf(id), offset);
      }
      looked = [];
    },
  };
};
