import { copyBytes, viewOf } from '../../projections/four-bytes.ts';
import { type Entry, fromOf, toOf } from '../diff/entry.ts';

/** Bytes, and how far they are written or read. */
export type Cursor = { bytes: DataView; at: number };

export const createCursor = (bytes: number): Cursor => ({ bytes: viewOf(Buffer.allocUnsafeSlow(bytes)), at: 0 });

/** Writes what stands in `source`. A loop: most ranges are shorter than what a call costs. */
export const put = (cursor: Cursor, source: DataView, from: number, until: number): void => {
  cursor.at = copyBytes(cursor.bytes, cursor.at, source, from, until);
};

/** Writes a field of a plain record. */
export const putField = (cursor: Cursor, entry: Entry, field: number): void =>
  put(cursor, entry.bytes, fromOf(entry, field), toOf(entry, field));
