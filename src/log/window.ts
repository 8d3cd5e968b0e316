import type { Recorded } from '../../events/event.ts';
import type { Queries } from '../storage/database.ts';
import { eventColumns } from './columns.ts';
import { chainBytes, type EventCells, eventOfCells } from './rows.ts';

/** Consecutive events as one array in JSON, with their checksum as it was stored and as the text gives it now. */
export type Window = {
  readonly json: Buffer;
  /** Offset of the last event; where the window is empty, the offset before it. */
  readonly last: number;
  /** Checksum of the last event as it was appended. */
  readonly stored: number;
  /** The same computed anew; NaN where an offset is missing. */
  readonly computed: number;
};

/** A place in the log: an offset, and the checksum there. `{ offset: 0, checksum: 0 }` is the beginning. */
export type Place = { readonly offset: number; readonly checksum: number };

const cells = eventColumns
  .filter((name) => name !== 'checksum')
  .map((name) => `"${name}"`)
  .join(', ');

/** Events as they were read, before their checksum is computed anew. */
export type Rows = {
  readonly json: Buffer;
  readonly rows: number;
  readonly last: number | null;
  readonly checksum: number;
};

/**
 * Reads the events behind an offset, up to `to`. One piece of JSON for all, since an object a row through the driver takes
 * four times as long; and the checksum chain runs over the rows' JSON, so the same text checks it at next to no cost.
 */
export const readRows = (queries: Pick<Queries, 'get'>, after: number, to: number): Promise<Rows | undefined> =>
  queries.get<Rows>(
    `SELECT CAST(json_group_array(json_array(${cells})) AS BLOB) AS json, count(*) AS rows, max("offset") AS last, checksum
     FROM event WHERE "offset" > ? AND "offset" <= ?`,
    [after, to],
  );

/** The rows behind a place, with their checksum. */
export const windowOf = (row: Rows | undefined, after: Place): Window => {
  if (!row || row.last === null)
    return { json: Buffer.from('[]'), last: after.offset, stored: after.checksum, computed: after.checksum };
  const whole = row.rows === row.last - after.offset;
  const computed = whole ? chainBytes(after.checksum, row.json.subarray(1, -1)) : Number.NaN;
  return { json: row.json, last: row.last, stored: row.checksum, computed };
};

/** Reads and checks the events after a place, up to `to`. */
export const readWindow = async (queries: Pick<Queries, 'get'>, after: Place, to: number): Promise<Window> =>
  windowOf(await readRows(queries, after.offset, to), after);

export const eventsIn = ({ json }: Window): Recorded[] =>
  (JSON.parse(json.toString()) as EventCells[]).map(eventOfCells);
