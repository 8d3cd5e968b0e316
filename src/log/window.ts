import type { Recorded } from '../../events/event.ts';
import type { Queries } from '../storage/database.ts';
import { eventColumns } from './columns.ts';
import { chainText, type EventCells, eventOfCells } from './rows.ts';

/** Consecutive events as one piece of JSON, with their checksum as it was stored and as the text gives it now. */
export type Window = {
  readonly text: string;
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
  const row = await queries.get<{ text: string; rows: number; last: number | null; checksum: number }>(
    `SELECT json_group_array(json_array(${cells})) AS text, count(*) AS rows, max("offset") AS last, checksum
     FROM event WHERE "offset" > ? AND "offset" <= ?`,
    [after.offset, to],
  );
  if (!row || row.last === null)
    return { text: '[]', last: after.offset, stored: after.checksum, computed: after.checksum };
  const whole = row.rows === row.last - after.offset;
  const computed = whole ? chainText(after.checksum, row.text.slice(1, -1)) : Number.NaN;
  return { text: row.text, last: row.last, stored: row.checksum, computed };
};

export const eventsIn = ({ text }: Window): Recorded[] => (JSON.parse(text) as EventCells[]).map(eventOfCells);
