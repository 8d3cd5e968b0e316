import { asReadError } from '../disk-error.ts';
import { FatalError } from '../errors.ts';
import { headerProblem } from './no-snapshot.ts';

/** As it is: an import would load all that belongs to it (promises, streams), which takes longer than a small diff. */
const { closeSync, fstatSync, openSync, readSync } = process.getBuiltinModule('node:fs');

const quote = 0x22;
const newline = 0x0a;
/** Two windows stay in the processor's cache while they are compared. */
const windowBytes = 512 * 1024;

/** Far more than any record takes. */
const recordBytesMax = 64 * 1024;

/**
 * A snapshot file as a window of bytes that slides along: the current record begins at `start`, what was read ends at
 * `end`. The window is read with plain synchronous reads: the diff is one tight loop, and a promise a chunk would cost
 * more than the comparison.
 */
export type Records = {
  readonly window: Buffer;
  /** The window's bytes, for reading several at once. */
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
  /** Whether `fill` would read on, and so move what is in the window: less is left than a record may take, and the file goes on. */
  isLow(): boolean;
  fill(): void;
  /** Moves on by whole records that make up `length` bytes. */
  skip(length: number): void;
  /** Where the next quote is from the current record on; infinite where there is none in the window. */
  nextQuote(): number;
  /** Whether all is read, and ends without a line end. */
  isTorn(): boolean;
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
    throw asReadError(error, path);
  }
  const window = Buffer.allocUnsafe(windowBytes);
  let ended = false;
  /** Bytes of the file before the window. */
  let before = 0;
  /** What `nextQuote` found, while it lies ahead: each byte is searched once. */
  let quoteAt = -1;
  const records = {
    window,
    view: new DataView(window.buffer, window.byteOffset, window.length),
    start: 0,
    end: 0,
    isLow: (): boolean => !ended && records.end - records.start < recordBytesMax,
    fill: (): void => {
      if (!records.isLow()) return;
      quoteAt = -1;
      window.copyWithin(0, records.start, records.end);
      before += records.start;
      records.end -= records.start;
      records.start = 0;
      while (records.end < window.length && !ended) {
        const read = readSync(descriptor, window, records.end, window.length - records.end, null);
        if (read === 0) ended = true;
        records.end += read;
      }
    },
    skip: (length: number): void => {
      records.start += length;
    },
    nextQuote: (): number => {
      if (quoteAt < records.start) {
        const found = window.indexOf(quote, records.start);
        quoteAt = found === -1 || found >= records.end ? Number.POSITIVE_INFINITY : found;
      }
      return quoteAt;
    },
    isTorn: (): boolean => ended && window[records.end - 1] !== newline,
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
    throw asReadError(error, path);
  }
  const read = window.subarray(0, records.end);
  const first = read.indexOf(newline);
  const found = read.toString('utf8', 0, Math.min(first === -1 ? read.length : first + 1, 300));
  const problem = headerProblem(found, path, fstatSync(descriptor).isFile());
  if (problem !== undefined) {
    closeSync(descriptor);
    throw new FatalError(problem);
  }
  records.start = first + 1;
  return records;
};
