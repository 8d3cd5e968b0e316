import { type Entry, fromOf, toOf } from '../diff/entry.ts';

/** Bytes, and how far they are written or read. */
export type Cursor = { bytes: Buffer; at: number };

/** Writes what stands in `source`. A loop: most ranges are shorter than what a call costs. */
export const put = (cursor: Cursor, source: Buffer, from: number, until: number): void => {
  const { bytes } = cursor;
  let { at } = cursor;
  for (let next = from; next < until; next++) bytes[at++] = source[next] as number;
  cursor.at = at;
};

/** Writes a field of a plain record. */
export const putField = (cursor: Cursor, entry: Entry, field: number): void =>
  put(cursor, entry.bytes, fromOf(entry, field), toOf(entry, field));
