import { copyBytes, enlarged, sharedLength, wordBytes } from '../../projections/four-bytes.ts';
import { hexIn, writeHex } from '../../projections/hex-digits.ts';
import { column, columns } from '../../projections/rows.ts';
import { createEntry, type Entry, fromOf, readEntry, toOf } from '../diff/entry.ts';
import { type Cursor, put } from './cursor.ts';
import type { Digits } from './operation-bytes.ts';

const [comma, newline] = [0x2c, 0x0a] as const;
/** Lengths of one byte are kept for the fields, and one of two for the path. */
const [fieldMost, pathMost, sharedMost, backMost] = [0xff, 0xffff, 0xff, 0xffff] as const;
/**
 * Before a record: its form, how much its path shares with an earlier one and how far before the head that one stands, the
 * lengths of its fields and of `extra`.
 */
const [sharedAt, pathAt, fieldsAt, extraAt, backAt, headBytes] = [1, 2, 3, 11, 12, 14] as const;
/** The form: a record as it is, or packed, and then a bit for each field whose digits are halved. */
const [asItIs, packed] = [0, 1] as const;

/** Takes packed records out again. `extra` is the digits that were put beside the record. */
export type Unpacked = {
  readonly entry: Entry;
  readonly extra: { readonly bytes: DataView; readonly from: 0; to: number };
  /** A record, written out. */
  text: DataView;
};

export const createUnpacked = (): Unpacked => ({
  entry: createEntry(),
  extra: { bytes: new DataView(new ArrayBuffer(fieldMost)), from: 0, to: 0 },
  text: new DataView(new ArrayBuffer(4_096)),
});

/** The most bytes that a record takes when it is packed. */
export const packedMost = (entry: Entry, extra: Digits): number => headBytes + entry.length + extra.to - extra.from;

/** The last path that a run of records holds whole: later ones share its beginning. `to` is `from` where there is none. */
export type WholePath = { from: number; to: number };

/**
 * Appends what an operation could need of a record, and `extra`. What its path shares with `whole` is left out. A record that
 * is not plain, or has a field of unusual length, is kept as it is.
 */
export const pack = (cursor: Cursor, entry: Entry, whole: WholePath, extra: Digits): void => {
  const { bytes } = cursor;
  const start = cursor.at;
  cursor.at += headBytes;
  bytes.setUint8(start, asItIs);
  bytes.setUint8(start + extraAt, extra.to - extra.from);
  if (canPack(entry)) packFields(cursor, start, entry, whole);
  else put(cursor, entry.bytes, entry.start, entry.start + entry.length);
  putHalved(cursor, extra.bytes, extra.from, extra.to);
};

/** How much of a path is left out. One that shares little is kept whole, for those that come after it. */
const sharedWith = (whole: WholePath, { bytes, at }: Cursor, path: Entry): number => {
  const length = path.pathTo - path.pathFrom;
  const most = Math.min(length, sharedMost);
  const shared = sharedLength(bytes, whole.from, path.bytes, path.pathFrom, Math.min(most, whole.to - whole.from));
  if (shared >= most / 2 && at - whole.from <= backMost) return shared;
  whole.from = at;
  whole.to = at + length;
  return 0;
};

const packFields = (cursor: Cursor, start: number, entry: Entry, whole: WholePath): void => {
  const { bytes } = cursor;
  let form: number = packed;
  const shared = sharedWith(whole, cursor, entry);
  bytes.setUint8(start + sharedAt, shared);
  bytes.setUint16(start + backAt, shared === 0 ? 0 : start - whole.from, true);
  bytes.setUint16(start + pathAt, entry.pathTo - entry.pathFrom - shared, true);
  put(cursor, entry.bytes, entry.pathFrom + shared, entry.pathTo);
  const hasEtag = fromOf(entry, column.etag) < toOf(entry, column.etag);
  for (let field = 1; field < columns.length; field++) {
    const from = fromOf(entry, field);
    // Where there is an etag, nobody asks for the time.
    const to = field === column.modified_at && hasEtag ? from : toOf(entry, field);
    bytes.setUint8(start + fieldsAt + field, to - from);
    if (putHalved(cursor, entry.bytes, from, to)) form |= 1 << field;
    else put(cursor, entry.bytes, from, to);
  }
  bytes.setUint8(start, form);
};

/** Writes digits as half as many bytes, four by four, and what is left of them as it is; false where four are none. */
const putHalved = (cursor: Cursor, source: DataView, from: number, to: number): boolean => {
  let { at } = cursor;
  let next = from;
  for (; next + wordBytes <= to; next += wordBytes, at += wordBytes / 2) {
    const bits = hexIn(source, next);
    if (bits < 0) return false;
    cursor.bytes.setUint16(at, bits, true);
  }
  cursor.at = copyBytes(cursor.bytes, at, source, next, to);
  return true;
};

/** Whether a record can be packed. */
const canPack = (entry: Entry): boolean => {
  if (!entry.plain || entry.pathTo - entry.pathFrom > pathMost) return false;
  if (entry.length <= fieldMost) return true;
  for (let field: number = column.file_id; field <= column.offset; field++)
    if (toOf(entry, field) - fromOf(entry, field) > fieldMost) return false;
  return true;
};

/** Reads what `pack` wrote. */
export const unpack = (cursor: Cursor, into: Unpacked): void => {
  const { bytes } = cursor;
  const start = cursor.at;
  const { entry, extra } = into;
  cursor.at += headBytes;
  if (bytes.getUint8(start) === asItIs) {
    readEntry(entry, bytes, cursor.at, bytes.byteLength);
    cursor.at += entry.length;
  } else cursor.at = unpackFields(bytes, start, into);
  extra.to = bytes.getUint8(start + extraAt);
  cursor.at = unhalve(extra.bytes, 0, extra.to, bytes, cursor.at);
};

/** Returns where the record ends that has its head at `start`. */
const unpackFields = (bytes: DataView, start: number, into: Unpacked): number => {
  const { entry } = into;
  const form = bytes.getUint8(start);
  const shared = bytes.getUint8(start + sharedAt);
  const pathLength = shared + bytes.getUint16(start + pathAt, true);
  into.text = enlarged(into.text, pathLength + columns.length * (1 + fieldMost));
  const { text } = into;
  const whole = start - bytes.getUint16(start + backAt, true);
  copyBytes(text, 0, bytes, whole, whole + shared);
  let at = start + headBytes + pathLength - shared;
  let end = copyBytes(text, shared, bytes, start + headBytes, at);
  entry.ends[column.path] = end;
  for (let field = 1; field < columns.length; field++) {
    text.setUint8(end++, comma);
    const to = end + bytes.getUint8(start + fieldsAt + field);
    if ((form >> field) & 1) at = unhalve(text, end, to, bytes, at);
    else {
      copyBytes(text, end, bytes, at, at + to - end);
      at += to - end;
    }
    entry.ends[field] = to;
    end = to;
  }
  text.setUint8(end++, newline);
  asPlain(entry, text, pathLength, end);
  return at;
};

/** Writes what `putHalved` took; returns where it ends in `bytes`. */
const unhalve = (into: DataView, from: number, to: number, bytes: DataView, at: number): number => {
  let next = from;
  let source = at;
  for (; next + wordBytes <= to; next += wordBytes, source += wordBytes / 2)
    writeHex(into, next, bytes.getUint16(source, true));
  copyBytes(into, next, bytes, source, source + to - next);
  return source + to - next;
};

const asPlain = (entry: Entry, text: DataView, pathLength: number, length: number): void => {
  entry.bytes = text;
  entry.start = 0;
  entry.length = length;
  entry.plain = true;
  entry.ascii = false;
  entry.path = text;
  entry.pathFrom = 0;
  entry.pathTo = pathLength;
  entry.row = undefined;
};
