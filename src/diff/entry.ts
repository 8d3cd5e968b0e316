import { isUtf8 } from 'node:buffer';
import { column, columns, type FileRow, sameContent, samePermissions } from '../../projections/rows.ts';
import { FatalError } from '../errors.ts';
import { rowOf } from '../snapshot/csv.ts';

const [newline, space, quote, comma, dot, slash, zero, nine, backslash] = [
  0x0a, 0x20, 0x22, 0x2c, 0x2e, 0x2f, 0x30, 0x39, 0x5c,
] as const;

/**
 * One record of a snapshot, as bytes. `plain`: no field needs unquoting, or escaping in JSON, and numbers stand as JSON
 * writes them, so that fields are compared and copied as they are; nearly all records are. Every other one has its row.
 */
export type Entry = {
  bytes: Buffer;
  start: number;
  /** With the line end. */
  length: number;
  plain: boolean;
  /** Where each field ends, from `start` on. Of a plain record only. */
  readonly ends: Int32Array;
  /** Where the path's UTF-8 bytes are. */
  path: Buffer;
  pathFrom: number;
  pathTo: number;
  row: FileRow | undefined;
};

const nothing = Buffer.alloc(0);

export const createEntry = (): Entry => ({
  bytes: nothing,
  start: 0,
  length: 0,
  plain: false,
  ends: new Int32Array(columns.length),
  path: nothing,
  pathFrom: 0,
  pathTo: 0,
  row: undefined,
});

/**
 * Reads the record at `start`; false when it does not end before `end`. Throws FatalError, with its `place`, for a record
 * that is none.
 */
export const readEntry = (
  entry: Entry,
  bytes: Buffer,
  start: number,
  end: number,
  place: () => string = () => 'a record',
): boolean => {
  entry.bytes = bytes;
  entry.start = start;
  entry.row = undefined;
  entry.plain = isPlain(entry, end);
  if (entry.plain) {
    entry.path = bytes;
    entry.pathFrom = start;
    entry.pathTo = start + (entry.ends[column.path] as number);
    return true;
  }
  entry.length = lengthOf(bytes, start, end);
  if (entry.length === 0) return false;
  entry.row = rowOf(textOf(entry, place), place);
  entry.path = Buffer.from(entry.row.path);
  entry.pathFrom = 0;
  entry.pathTo = entry.path.length;
  return true;
};

/** Looks at each byte once, and notes where the fields end. False also where the record does not end. */
const isPlain = (entry: Entry, end: number): boolean => {
  const { bytes, start, ends } = entry;
  let field = 0;
  let bits = 0;
  let at = start;
  for (; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte > comma && byte !== backslash) bits |= byte;
    else if (byte === comma) ends[field++] = at - start;
    else if (byte === newline) break;
    else if (byte < space || byte === quote || byte === backslash) return false;
  }
  if (at === end || field !== columns.length - 1) return false;
  ends[field] = at - start;
  entry.length = at + 1 - start;
  return (
    isPlainPath(bytes, start, start + (ends[column.path] as number)) &&
    isPlainNumber(entry, column.file_id) &&
    isPlainNumber(entry, column.offset) &&
    (fromOf(entry, column.size) === toOf(entry, column.size) || isPlainNumber(entry, column.size)) &&
    (bits < 0x80 || isUtf8(bytes.subarray(start, at)))
  );
};

/** Whether nothing in a path could make it name another place; a segment that begins with a dot is looked at elsewhere. */
const isPlainPath = (bytes: Buffer, from: number, to: number): boolean => {
  let before: number = slash;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    if (before === slash && (byte === slash || (byte === dot && isDotted(bytes, at, to)))) return false;
    before = byte;
  }
  return to > from;
};

/** Whether the segment that begins here is `.`, or begins with `..`. */
const isDotted = (bytes: Buffer, at: number, to: number): boolean =>
  at + 1 === to || bytes[at + 1] === slash || bytes[at + 1] === dot;

const isPlainNumber = (entry: Entry, field: number): boolean => {
  const from = fromOf(entry, field);
  const to = toOf(entry, field);
  if (to === from || to - from > 15 || (entry.bytes[from] === zero && to - from > 1)) return false;
  for (let at = from; at < to; at++) {
    const digit = entry.bytes[at] as number;
    if (digit < zero || digit > nine) return false;
  }
  return true;
};

/** Length of a record with its LF, where quoted fields may hold line ends; 0 when it does not end. */
export const lengthOf = (bytes: Buffer, start: number, end: number): number => {
  let quotes = false;
  for (let at = start; at < end; at++) {
    if (bytes[at] === quote) quotes = !quotes;
    else if (bytes[at] === newline && !quotes) return at + 1 - start;
  }
  return 0;
};

const textOf = ({ bytes, start, length }: Entry, place: () => string): string => {
  const end = start + length - 1;
  const text = bytes.toString('utf8', start, end);
  // What is no UTF-8 is read as U+FFFD, which may also stand there by right.
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end)))
    throw new FatalError(`${place()}: the record is not valid UTF-8`);
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
  let left = fromOf(a, field);
  let right = fromOf(b, field);
  const end = toOf(a, field);
  if (end - left !== toOf(b, field) - right) return false;
  for (; left < end; left++, right++) if (a.bytes[left] !== b.bytes[right]) return false;
  return true;
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

/** Whether the path names a folder. */
export const isFolderEntry = ({ path, pathTo }: Entry): boolean => path[pathTo - 1] === slash;

/** Order of two paths' UTF-8 bytes: `a` from `from` to `to`, and an entry's. */
export const compareToPath = (a: Buffer, from: number, to: number, b: Entry): number => {
  const { path, pathFrom } = b;
  const [left, right] = [to - from, b.pathTo - pathFrom];
  const most = Math.min(left, right);
  for (let at = 0; at < most; at++) {
    const order = (a[from + at] as number) - (path[pathFrom + at] as number);
    if (order !== 0) return order;
  }
  return left - right;
};

/** Bytes of the folder, with its slash, that a file's path lies in. */
export const parentLength = ({ path, pathFrom, pathTo }: Entry): number => {
  let at = pathTo;
  while (at > pathFrom && path[at - 1] !== slash) at -= 1;
  return at - pathFrom;
};

export const fileIdOf = (entry: Entry): number => {
  if (!entry.plain) return rowOfEntry(entry).file_id;
  const to = toOf(entry, column.file_id);
  let id = 0;
  for (let at = fromOf(entry, column.file_id); at < to; at++) id = id * 10 + (entry.bytes[at] as number) - zero;
  return id;
};
