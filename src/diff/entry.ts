import { isUtf8 } from 'node:buffer';
import {
  afterLastByte,
  belowIn,
  bufferOf,
  firstIn,
  indexOfByte,
  isAscii,
  matchesIn,
  sharedLength,
  viewOf,
  wordBytes,
} from '../../projections/four-bytes.ts';
import { column, columns, type FileRow, sameContent, samePermissions } from '../../projections/rows.ts';
import { FatalError } from '../errors.ts';
import { rowOf } from '../snapshot/csv.ts';

const [newline, space, quote, comma, dot, slash, zero, nine, backslash] = [
  0x0a, 0x20, 0x22, 0x2c, 0x2e, 0x2f, 0x30, 0x39, 0x5c,
] as const;
const [beyondCommas, slashes, backslashes, beyondAscii] = [0x2d2d2d2d, 0x2f2f2f2f, 0x5c5c5c5c, 0x80] as const;

/**
 * One record of a snapshot, as bytes. `plain`: no field needs unquoting, or escaping in JSON, and numbers stand as JSON
 * writes them, so that fields are compared and copied as they are; nearly all records are. Every other one has its row.
 */
export type Entry = {
  bytes: DataView;
  start: number;
  /** With the line end. */
  length: number;
  plain: boolean;
  /** Of a plain record: whether it is known to be ASCII. */
  ascii: boolean;
  /** Where each field ends, from `start` on. Of a plain record only. */
  readonly ends: Int32Array;
  /** Where the path's UTF-8 bytes are. */
  path: DataView;
  pathFrom: number;
  pathTo: number;
  row: FileRow | undefined;
};

const nothing = viewOf(Buffer.alloc(0));

export const createEntry = (): Entry => ({
  bytes: nothing,
  start: 0,
  length: 0,
  plain: false,
  ascii: false,
  ends: new Int32Array(columns.length),
  path: nothing,
  pathFrom: 0,
  pathTo: 0,
  row: undefined,
});

/**
 * Reads the record at `start`; false when it does not end before `end`. What it shares from its start with the record
 * `like`, often the other side's of the same path, is not looked at again. Throws FatalError, with its `place`, for a record
 * that is none.
 */
export const readEntry = (
  entry: Entry,
  bytes: DataView,
  start: number,
  end: number,
  place: () => string = () => 'a record',
  like: Entry | null = null,
): boolean => {
  entry.bytes = bytes;
  entry.start = start;
  entry.row = undefined;
  const shared = like?.plain
    ? sharedLength(like.bytes, like.start, bytes, start, Math.min(like.length, end - start))
    : 0;
  entry.plain = isPlain(entry, end, like, shared);
  if (entry.plain) {
    entry.path = bytes;
    entry.pathFrom = start;
    entry.pathTo = start + (entry.ends[column.path] as number);
    return true;
  }
  entry.length = lengthOf(bytes, start, end);
  if (entry.length === 0) return false;
  entry.row = rowOf(textOf(entry, place), place);
  entry.path = viewOf(Buffer.from(entry.row.path));
  entry.pathFrom = 0;
  entry.pathTo = entry.path.byteLength;
  return true;
};

/** Looks at each byte once, but for the first ones, `shared` with the plain record `like`. */
const isPlain = (entry: Entry, end: number, like: Entry | null, shared: number): boolean => {
  const fields = like === null ? 0 : takeEnds(entry.ends, like.ends, shared);
  // The line end itself is always looked at.
  const from = like !== null && shared === like.length ? shared - 1 : shared;
  if (!findEnds(entry, entry.start + from, end, fields, like === null || shared === 0 || like.ascii)) return false;
  const { bytes, start, length, ends } = entry;
  return (
    (fields > column.path || isPlainPath(bytes, start, start + (ends[column.path] as number))) &&
    isPlainNumber(entry, column.file_id) &&
    isPlainNumber(entry, column.offset) &&
    (fromOf(entry, column.size) === toOf(entry, column.size) || isPlainNumber(entry, column.size)) &&
    (entry.ascii || isUtf8(bufferOf(bytes, start, start + length)))
  );
};

/** Takes over where the fields end of which all is shared, with the comma after them; returns how many they are. */
const takeEnds = (ends: Int32Array, known: Int32Array, shared: number): number => {
  let field = 0;
  for (; field < columns.length - 1 && (known[field] as number) < shared; field++) ends[field] = known[field] as number;
  return field;
};

/**
 * Notes where the fields from `first` on end, and the record. False where it does not end, has another number of fields, or
 * holds a byte that is not plain.
 */
const findEnds = (entry: Entry, from: number, end: number, first: number, ascii: boolean): boolean => {
  const { bytes, start, ends } = entry;
  let field = first;
  let bits = ascii ? 0 : beyondAscii;
  for (let at = from; at < end; ) {
    if (at + wordBytes <= end) {
      const word = bytes.getInt32(at, true);
      bits |= word;
      const found = belowIn(word, beyondCommas) | matchesIn(word, backslashes);
      if (found === 0) {
        at += wordBytes;
        continue;
      }
      at += firstIn(found);
    }
    const byte = bytes.getUint8(at);
    if (byte === newline) {
      ends[field] = at - start;
      entry.length = at + 1 - start;
      entry.ascii = isAscii(bits);
      return field === columns.length - 1;
    }
    if (byte < space || byte === quote || byte === backslash) return false;
    if (byte === comma) ends[field++] = at - start;
    bits |= byte;
    at += 1;
  }
  return false;
};

/** Whether nothing in a path could make it name another place; a segment that begins with a dot is looked at elsewhere. */
const isPlainPath = (bytes: DataView, from: number, to: number): boolean => {
  for (let at = from; at < to; at = indexOfByte(bytes, slashes, at, to) + 1) {
    const byte = bytes.getUint8(at);
    if (byte === slash || (byte === dot && isDotted(bytes, at, to))) return false;
  }
  return to > from;
};

/** Whether the segment that begins here is `.`, or begins with `..`. */
const isDotted = (bytes: DataView, at: number, to: number): boolean =>
  at + 1 === to || bytes.getUint8(at + 1) === slash || bytes.getUint8(at + 1) === dot;

const isPlainNumber = (entry: Entry, field: number): boolean => {
  const from = fromOf(entry, field);
  const to = toOf(entry, field);
  if (to === from || to - from > 15 || (entry.bytes.getUint8(from) === zero && to - from > 1)) return false;
  for (let at = from; at < to; at++) {
    const digit = entry.bytes.getUint8(at);
    if (digit < zero || digit > nine) return false;
  }
  return true;
};

/** Length of a record with its LF, where quoted fields may hold line ends; 0 when it does not end. */
export const lengthOf = (bytes: DataView, start: number, end: number): number => {
  let quotes = false;
  for (let at = start; at < end; at++) {
    const byte = bytes.getUint8(at);
    if (byte === quote) quotes = !quotes;
    else if (byte === newline && !quotes) return at + 1 - start;
  }
  return 0;
};

const textOf = ({ bytes, start, length }: Entry, place: () => string): string => {
  const record = bufferOf(bytes, start, start + length - 1);
  const text = record.toString('utf8');
  // What is no UTF-8 is read as U+FFFD, which may also stand there by right.
  if (text.includes('\ufffd') && !isUtf8(record)) throw new FatalError(`${place()}: the record is not valid UTF-8`);
  return text;
};

/** Where a field of a plain record begins. */
export const fromOf = ({ start, ends }: Entry, field: number): number =>
  field === 0 ? start : start + (ends[field - 1] as number) + 1;

/** Where a field of a plain record ends. */
export const toOf = ({ start, ends }: Entry, field: number): number => start + (ends[field] as number);

export const rowOfEntry = (entry: Entry): FileRow => {
  const place = (): string => 'a record';
  entry.row ??= rowOf(textOf(entry, place), place);
  return entry.row;
};

const isEmpty = (entry: Entry, field: number): boolean => fromOf(entry, field) === toOf(entry, field);

const sameField = (a: Entry, b: Entry, field: number): boolean => {
  const left = fromOf(a, field);
  const right = fromOf(b, field);
  const length = toOf(a, field) - left;
  return length === toOf(b, field) - right && sharedLength(a.bytes, left, b.bytes, right, length) === length;
};

export const sameFile = (a: Entry, b: Entry): boolean =>
  a.plain && b.plain ? sameField(a, b, column.file_id) : rowOfEntry(a).file_id === rowOfEntry(b).file_id;

/** As `sameContent` of their rows. */
export const sameContentOf = (a: Entry, b: Entry): boolean =>
  a.plain && b.plain
    ? sameField(a, b, column.size) &&
      sameField(a, b, column.etag) &&
      (!isEmpty(a, column.etag) || sameField(a, b, column.modified_at))
    : sameContent(rowOfEntry(a), rowOfEntry(b));

/** As `samePermissions` of their rows. */
export const samePermissionsOf = (have: Entry, want: Entry): boolean =>
  have.plain && want.plain
    ? isEmpty(want, column.permissions) || sameField(have, want, column.permissions)
    : samePermissions(rowOfEntry(have), rowOfEntry(want));

export const textOfPath = ({ path, pathFrom, pathTo }: Entry): string =>
  bufferOf(path, pathFrom, pathTo).toString('utf8');

/** Whether the path names a folder. */
export const isFolderEntry = ({ path, pathTo }: Entry): boolean => path.getUint8(pathTo - 1) === slash;

/** Order of two paths' UTF-8 bytes: `a` from `from` to `to`, and an entry's. */
export const compareToPath = (a: DataView, from: number, to: number, { path, pathFrom, pathTo }: Entry): number => {
  const left = to - from;
  const right = pathTo - pathFrom;
  const most = Math.min(left, right);
  const shared = sharedLength(a, from, path, pathFrom, most);
  return shared === most ? left - right : a.getUint8(from + shared) - path.getUint8(pathFrom + shared);
};

/** Bytes of the folder, with its slash, that a file's path lies in. */
export const parentLength = ({ path, pathFrom, pathTo }: Entry): number =>
  afterLastByte(path, slashes, pathFrom, pathTo) - pathFrom;

export const fileIdOf = (entry: Entry): number => {
  if (!entry.plain) return rowOfEntry(entry).file_id;
  const to = toOf(entry, column.file_id);
  let id = 0;
  for (let at = fromOf(entry, column.file_id); at < to; at++) id = id * 10 + entry.bytes.getUint8(at) - zero;
  return id;
};
