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

/**
 * Reads the events after a place, up to `to`. One piece of JSON for all, since an object a row through the driver takes
 * four times as long; and the checksum chain runs over the rows' JSON, so the same text checks it at next to no cost.
 */
export const readWindow = async (queries: Pick<Queries, 'get'>, after: Place, to: number): Promise<Window> => {
  const row = await queries.get<{ json: Buffer; rows: number; last: number | null; checksum: number }>(
    `SELECT CAST(json_group_array(json_array(${cells})) AS BLOB) AS json, count(*) AS rows, max("offset") AS last, checksum
     FROM event WHERE "offset" > ? AND "offset" <= ?`,
    [after.offset, to],
  );
  if (!row || row.last === null)
    return { json: Buffer.from('[]'), last: after.offset, stored: after.checksum, computed: after.checksum };
  const whole = row.rows === row.last - after.offset;
  const computed = whole ? chainBytes(after.checksum, row.json.subarray(1, -1)) : Number.NaN;
  return { json: row.json, last: row.last, stored: row.checksum, computed };
};

export const eventsIn = ({ json }: Window): Recorded[] =>
  (JSON.parse(json.toString()) as EventCells[]).map(eventOfCells);
