import { closeSync, openSync, readSync } from 'node:fs';
import { FatalError, messageOf } from '../errors.ts';
import { header } from '../snapshot/csv.ts';

const quote = 0x22;
const newline = 0x0a;
const windowBytes = 1024 * 1024;
const recordBytesMax = 64 * 1024;

/**
 * A snapshot file as a window of bytes that slides along. `at` is always the start of a record. The window is read with
 * plain synchronous reads: the diff is one tight loop, and a promise a chunk would cost more than the comparison.
 */
export type Records = {
  readonly name: string;
  /** The window's bytes from the current record on. */
  rest(): Buffer;
  /** Reads on, when less than half of the window is left; false at the end of the file. */
  fill(): boolean;
  /** Moves on by whole records that make up `length` bytes. */
  skip(length: number): void;
  /** Length of the current record with its LF; 0 at the end of the file. */
  length(): number;
  close(): void;
};

/** Opens a snapshot and checks its header. Throws FatalError that names the file and what is wrong. */
export const openRecords = (path: string): Records => {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    throw new FatalError(`cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
  const buffer = Buffer.allocUnsafe(windowBytes * 2);
  let start = 0;
  let end = 0;
  let ended = false;
  const fill = (): boolean => {
    if (ended) return false;
    if (end - start >= windowBytes) return true;
    buffer.copyWithin(0, start, end);
    end -= start;
    start = 0;
    while (end < buffer.length && !ended) {
      const read = readSync(descriptor, buffer, end, buffer.length - end, null);
      if (read === 0) ended = true;
      end += read;
    }
    return !ended;
  };
  fill();
  const first = buffer.indexOf(newline, start);
  const found = buffer.toString('utf8', 0, first === -1 ? Math.min(end, 200) : first + 1);
  if (found !== header) {
    closeSync(descriptor);
    const wanted = header.trim().split(',');
    const missing = wanted.filter((name) => !found.trim().split(',').includes(name));
    throw new FatalError(
      `${path}, line 1: ${missing.length > 0 ? `the column ${missing.join(', ')} is missing` : 'the columns stand in another order'}: expected ${header.trim()}, found ${JSON.stringify(found.trim())}`,
    );
  }
  start = first + 1;
  return {
    name: path,
    rest: () => buffer.subarray(start, end),
    fill,
    skip: (length) => {
      start += length;
    },
    length: () => {
      if (end - start < recordBytesMax) fill();
      if (start === end) return 0;
      for (let from = start, quotes = false; ; ) {
        const line = buffer.indexOf(newline, from);
        if (line === -1 || line >= end) {
          throw new FatalError(`${path}: the last line is torn (no line end): export the snapshot again`);
        }
        for (let at = from; at < line; at++) if (buffer[at] === quote) quotes = !quotes;
        if (!quotes) return line + 1 - start;
        from = line + 1;
      }
    },
    close: () => closeSync(descriptor),
  };
};

/**
 * How many bytes two windows share from their start, cut back to the end of a whole record. Blocks double in size, so
 * that a nearby difference is found cheaply and a long run costs what `cmp` costs.
 */
export const sharedRecords = (a: Buffer, b: Buffer): number => {
  const most = Math.min(a.length, b.length);
  let equal = 0;
  let block = 256;
  while (equal < most) {
    const next = Math.min(most, equal + block);
    if (a.compare(b, equal, next, equal, next) !== 0) {
      if (block <= 256) break;
      block = 256;
      continue;
    }
    equal = next;
    block *= 2;
  }
  const cut = a.lastIndexOf(newline, equal - 1) + 1;
  if (equal === 0 || cut === 0) return 0;
  const firstQuote = a.indexOf(quote);
  if (firstQuote === -1 || firstQuote >= cut) return cut;
  return lastRecordEnd(a, cut);
};

/** The end of the last whole record before `cut`, where quoted fields may hold line ends. */
const lastRecordEnd = (bytes: Buffer, cut: number): number => {
  let quotes = false;
  let end = 0;
  for (let at = 0; at < cut; at++) {
    if (bytes[at] === quote) quotes = !quotes;
    else if (bytes[at] === newline && !quotes) end = at + 1;
  }
  return end;
};
