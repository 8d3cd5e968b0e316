import { copyBytes, enlarged } from '../../projections/four-bytes.ts';
import { column, columns } from '../../projections/rows.ts';
import { createEntry, type Entry, fromOf, readEntry, toOf } from '../diff/entry.ts';
import { type Cursor, put } from './cursor.ts';
import type { Digits } from './operation-bytes.ts';

const [comma, newline] = [0x2c, 0x0a] as const;
/** Lengths of one byte are kept for the fields, and one of two for the path. */
const [fieldMost, pathMost] = [0xff, 0xffff] as const;
/** Before a record: whether it is packed, how much of the path before it shares, the lengths of its fields and of `extra`. */
const [sharedAt, pathAt, fieldsAt, extraAt, headBytes] = [1, 2, 3, 11, 12] as const;
const [asItIs, packed] = [0, 1] as const;

/** Takes packed records out again. `extra` is the digits that were put beside the record. */
export type Unpacked = {
  readonly entry: Entry;
  readonly extra: { bytes: DataView; from: number; to: number };
  /** A path that shares its beginning with the one before, written out. */
  path: DataView;
};

export const createUnpacked = (): Unpacked => {
  const entry = createEntry();
  return { entry, extra: { bytes: entry.bytes, from: 0, to: 0 }, path: new DataView(new ArrayBuffer(1_024)) };
};

/** The most bytes that a record takes when it is packed. */
export const packedMost = (entry: Entry, extra: Digits): number => headBytes + entry.length + extra.to - extra.from;

/**
 * Appends what an operation could need of a record, and `extra`. The path's first `shared` bytes are left out. A record that
 * is not plain, or has a field of unusual length, is kept as it is.
 */
export const pack = (cursor: Cursor, entry: Entry, shared: number, extra: Digits): void => {
  const isPacked = canPack(entry);
  const { bytes } = cursor;
  const start = cursor.at;
  cursor.at += headBytes;
  bytes.setUint8(start, isPacked ? packed : asItIs);
  bytes.setUint8(start + extraAt, extra.to - extra.from);
  if (isPacked) packFields(cursor, start, entry, shared);
  else put(cursor, entry.bytes, entry.start, entry.start + entry.length);
  put(cursor, extra.bytes, extra.from, extra.to);
};

const packFields = (cursor: Cursor, start: number, entry: Entry, shared: number): void => {
  const { bytes } = cursor;
  const pathLength = entry.pathTo - entry.pathFrom - shared;
  bytes.setUint8(start + sharedAt, shared);
  bytes.setUint16(start + pathAt, pathLength, true);
  for (let field = 1; field < columns.length; field++)
    bytes.setUint8(start + fieldsAt + field, toOf(entry, field) - fromOf(entry, field));
  put(cursor, entry.bytes, entry.pathFrom + shared, toOf(entry, column.permissions));
  bytes.setUint8(cursor.at++, comma);
  // Where there is an etag, nobody asks for the time.
  if (fromOf(entry, column.etag) === toOf(entry, column.etag))
    put(cursor, entry.bytes, fromOf(entry, column.modified_at), toOf(entry, column.modified_at));
  else bytes.setUint8(start + fieldsAt + column.modified_at, 0);
  bytes.setUint8(cursor.at++, comma);
  put(cursor, entry.bytes, fromOf(entry, column.offset), toOf(entry, column.offset));
  bytes.setUint8(cursor.at++, newline);
};

/** Whether a record can be packed. */
export const canPack = (entry: Entry): boolean => {
  if (!entry.plain || entry.pathTo - entry.pathFrom > pathMost) return false;
  if (entry.length <= fieldMost) return true;
  for (let field: number = column.file_id; field <= column.offset; field++)
    if (toOf(entry, field) - fromOf(entry, field) > fieldMost) return false;
  return true;
};

/**
 * Reads what `pack` wrote. Where paths are shared, all before it has to be read in turn with the same `into`, and the
 * record's own text lacks what is shared: its path is what `path` names.
 */
export const unpack = (cursor: Cursor, into: Unpacked): void => {
  const { bytes } = cursor;
  const start = cursor.at;
  const { entry, extra } = into;
  cursor.at += headBytes;
  if (bytes.getUint8(start) === asItIs) {
    readEntry(entry, bytes, cursor.at, bytes.byteLength);
    cursor.at += entry.length;
  } else unpackFields(cursor, start, into);
  extra.bytes = bytes;
  extra.from = cursor.at;
  cursor.at += bytes.getUint8(start + extraAt);
  extra.to = cursor.at;
};

const unpackFields = (cursor: Cursor, start: number, into: Unpacked): void => {
  const { bytes } = cursor;
  const { entry } = into;
  let end = bytes.getUint16(start + pathAt, true);
  entry.bytes = bytes;
  entry.start = cursor.at;
  entry.plain = true;
  entry.ascii = false;
  entry.row = undefined;
  entry.ends[column.path] = end;
  unpackPath(into, bytes.getUint8(start + sharedAt), end);
  for (let field = 1; field < columns.length; field++) {
    end += 1 + bytes.getUint8(start + fieldsAt + field);
    entry.ends[field] = end;
  }
  entry.length = end + 1;
  cursor.at += entry.length;
};

const unpackPath = (into: Unpacked, shared: number, length: number): void => {
  const { entry } = into;
  into.path = enlarged(into.path, shared + length);
  entry.path = into.path;
  entry.pathFrom = 0;
  entry.pathTo = copyBytes(into.path, shared, entry.bytes, entry.start, entry.start + length);
};
