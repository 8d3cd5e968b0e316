import { lengthOf } from './entry.ts';
import type { Records } from './records.ts';

const newline = 0x0a;
/** Up to here a loop beats a call. */
const nearBytes = 2_048;

/** What two windows share from their start: whole records, `length` bytes of them, the last one from `last` on. */
export type Shared = { readonly length: number; readonly last: number };

/** Undefined when not even one record is the same. */
export const sharedRecords = (a: Records, b: Records): Shared | undefined => {
  const { window, start } = a;
  const equal = equalBytes(a, b);
  let length = equal;
  while (length > 0 && window[start + length - 1] !== newline) length -= 1;
  if (length === 0) return undefined;
  if (a.nextQuote() < start + equal) return lastRecordOf(window.subarray(start, start + length));
  let last = length - 1;
  while (last > 0 && window[start + last - 1] !== newline) last -= 1;
  return { length, last };
};

/**
 * How many bytes both windows share. Where changes lie close to each other this is a few records, four bytes at a time; the
 * blocks of a long run double in size, so that it costs what `cmp` costs.
 */
const equalBytes = (a: Records, b: Records): number => {
  const most = Math.min(a.end - a.start, b.end - b.start);
  let equal = equalWords(a, b, 0, Math.min(most, nearBytes));
  if (equal === nearBytes) {
    for (let block = nearBytes; equal < most; ) {
      const next = Math.min(most, equal + block);
      if (a.window.compare(b.window, b.start + equal, b.start + next, a.start + equal, a.start + next) === 0) {
        equal = next;
        block *= 2;
      } else if (block <= nearBytes) {
        equal = equalWords(a, b, equal, next);
        break;
      } else block = nearBytes;
    }
  }
  while (equal < most && a.window[a.start + equal] === b.window[b.start + equal]) equal += 1;
  return equal;
};

/** How many bytes are the same from `from` on, to the last four before `to`. */
const equalWords = (a: Records, b: Records, from: number, to: number): number => {
  const [left, right] = [a.view, b.view];
  const [leftStart, rightStart] = [a.start, b.start];
  let at = from;
  while (
    at + 8 <= to &&
    left.getInt32(leftStart + at, true) === right.getInt32(rightStart + at, true) &&
    left.getInt32(leftStart + at + 4, true) === right.getInt32(rightStart + at + 4, true)
  )
    at += 8;
  while (at + 4 <= to && left.getInt32(leftStart + at, true) === right.getInt32(rightStart + at, true)) at += 4;
  return at;
};

/** The last whole record, where quoted fields may hold line ends. */
const lastRecordOf = (bytes: Buffer): Shared | undefined => {
  let last = 0;
  let length = 0;
  for (let next = lengthOf(bytes, 0, bytes.length); next > 0; next = lengthOf(bytes, length, bytes.length)) {
    last = length;
    length += next;
  }
  return length === 0 ? undefined : { length, last };
};
