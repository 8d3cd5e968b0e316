import { closeSync, openSync, readSync } from 'node:fs';
import { FatalError, messageOf } from '../errors.ts';
import { header } from '../snapshot/csv.ts';

const quote = 0x22;
const newline = 0x0a;
const windowBytes = 1024 * 1024;
const recordBytesMax = 64 * 1024;

/**
 * A snapshot file as a window of bytes that slides along: the current record begins at `start`, what was read ends at
 * `end`. The window is read with plain synchronous reads: the diff is one tight loop, and a promise a chunk would cost
 * more than the comparison.
 */
export type Records = {
  readonly name: string;
  readonly window: Buffer;
  readonly start: number;
  readonly end: number;
  /** Reads on, when less than half of the window is left; false at the end of the file. */
  fill(): boolean;
  /** Moves on by whole records that make up `length` bytes. */
  skip(length: number): void;
  /** Length of the current record with its LF; 0 at the end of the file. */
  length(): number;
  /** File and line of the current record, for a message. */
  place(): string;
  close(): void;
};

/** The line (1 is the header) in which a byte of a file stands. Lines are counted only where one is to be named. Undefined for a pipe. */
const lineAt = (descriptor: number, offset: number): number | undefined => {
  const chunk = Buffer.allocUnsafe(windowBytes);
  let line = 1;
  try {
    for (let at = 0; at < offset; ) {
      const read = readSync(descriptor, chunk, 0, Math.min(chunk.length, offset - at), at);
      if (read === 0) return undefined;
      for (let next = chunk.indexOf(newline); next !== -1 && next < read; next = chunk.indexOf(newline, next + 1))
        line += 1;
      at += read;
    }
    return line;
  } catch {
    return undefined;
  }
};

/** Opens a snapshot and checks its header. Throws FatalError that names the file and what is wrong. */
export const openRecords = (path: string): Records => {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    throw new FatalError(`cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
  const window = Buffer.allocUnsafe(windowBytes * 2);
  let ended = false;
  /** Bytes of the file before the window. */
  let before = 0;
  const records = {
    name: path,
    window,
    start: 0,
    end: 0,
    fill: (): boolean => {
      if (ended) return false;
      if (records.end - records.start >= windowBytes) return true;
      window.copyWithin(0, records.start, records.end);
      before += records.start;
      records.end -= records.start;
      records.start = 0;
      while (records.end < window.length && !ended) {
        const read = readSync(descriptor, window, records.end, window.length - records.end, null);
        if (read === 0) ended = true;
        records.end += read;
      }
      return !ended;
    },
    skip: (length: number): void => {
      records.start += length;
    },
    length: (): number => {
      if (records.end - records.start < recordBytesMax) records.fill();
      const { start, end } = records;
      if (start === end) return 0;
      for (let from = start, quotes = false; ; ) {
        const line = window.indexOf(newline, from);
        if (line === -1 || line >= end)
          throw new FatalError(`${records.place()}: the last line is torn (no line end): export the snapshot again`);
        for (let at = from; at < line; at++) if (window[at] === quote) quotes = !quotes;
        if (!quotes) return line + 1 - start;
        from = line + 1;
      }
    },
    place: (): string => {
      const line = lineAt(descriptor, before + records.start);
      return line === undefined ? path : `${path}, line ${line}`;
    },
    close: (): void => closeSync(descriptor),
  };
  try {
    records.fill();
  } catch (error) {
    closeSync(descriptor);
    throw new FatalError(`cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
  const read = window.subarray(0, records.end);
  const first = read.indexOf(newline);
  const found = read.toString('utf8', 0, Math.min(first === -1 ? read.length : first + 1, 300));
  if (found !== header) {
    closeSync(descriptor);
    if (found === '') throw new FatalError(`${path} is empty: a snapshot has at least its header, ${header.trim()}`);
    if (found.startsWith('\ufeff'))
      throw new FatalError(`${path} begins with a byte order mark: a snapshot is UTF-8 without one`);
    if (found === `${header.trim()}\r\n`)
      throw new FatalError(`${path} has CRLF line ends: a snapshot's lines end in LF alone`);
    const wanted = header.trim().split(',');
    const missing = wanted.filter((name) => !found.trim().split(',').includes(name));
    throw new FatalError(
      `${path}, line 1: ${missing.length > 0 ? `the column ${missing.join(', ')} is missing` : 'the columns stand in another order'}: expected ${header.trim()}, found ${JSON.stringify(found.trim())}`,
    );
  }
  records.start = first + 1;
  return records;
};

/** What two windows share from their start: whole records, `length` bytes of them, the last one from `last` on. */
export type Shared = { readonly length: number; readonly last: number };

/**
 * Compares two windows. Blocks double in size, so that a nearby difference is found cheaply and a long run costs what `cmp`
 * costs. Undefined when not even one record is the same.
 */
export const sharedRecords = (a: Records, b: Records): Shared | undefined => {
  const most = Math.min(a.end - a.start, b.end - b.start);
  let equal = 0;
  let block = 256;
  while (equal < most) {
    const next = Math.min(most, equal + block);
    const same = a.window.compare(b.window, b.start + equal, b.start + next, a.start + equal, a.start + next) === 0;
    if (!same) {
      if (block <= 256) break;
      block = 256;
      continue;
    }
    equal = next;
    block *= 2;
  }
  const shared = a.window.subarray(a.start, a.start + equal);
  const length = shared.lastIndexOf(newline) + 1;
  if (length === 0) return undefined;
  if (shared.includes(quote)) return lastRecordOf(shared, length);
  return { length, last: length === 1 ? 0 : shared.lastIndexOf(newline, length - 2) + 1 };
};

/** The last whole record before `cut`, where quoted fields may hold line ends. */
const lastRecordOf = (bytes: Buffer, cut: number): Shared | undefined => {
  let quotes = false;
  let last = 0;
  let length = 0;
  for (let at = 0; at < cut; at++) {
    if (bytes[at] === quote) quotes = !quotes;
    else if (bytes[at] === newline && !quotes) {
      last = length;
      length = at + 1;
    }
  }
  return length === 0 ? undefined : { length, last };
};
