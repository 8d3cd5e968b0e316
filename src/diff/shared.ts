import { afterLastByte, sharedLength } from '../../projections/four-bytes.ts';
import { lengthOf } from './entry.ts';
import type { Records } from './records.ts';

const newlines = 0x0a0a0a0a;
/** Up to here a loop beats a call. */
const nearBytes = 2_048;

/**
 * What two windows share from their start: whole records, `length` bytes of them, the last one from `last` on. `differs`:
 * the windows go on, and not the same.
 */
export type Shared = { readonly length: number; readonly last: number; readonly differs: boolean };

/** Undefined when not even one record is the same. */
export const sharedRecords = (a: Records, b: Records): Shared | undefined => {
  const { view, start } = a;
  const most = Math.min(a.end - start, b.end - b.start);
  const equal = equalBytes(a, b, most);
  const differs = equal < most;
  const end = afterLastByte(view, newlines, start, start + equal);
  if (end === start) return undefined;
  if (a.nextQuote() < start + equal) return lastRecordOf(view, start, end, differs);
  return { length: end - start, last: afterLastByte(view, newlines, start, end - 1) - start, differs };
};

/**
 * How many bytes both windows share, of `most`. Where changes lie close to each other this is a few records, four bytes at
 * a time; the blocks of a long run double in size, so that it costs what `cmp` costs, and where one differs the difference
 * is in a half of it, a quarter, and so on.
 */
const equalBytes = (a: Records, b: Records, most: number): number => {
  const near = Math.min(most, nearBytes);
  let equal = sharedLength(a.view, a.start, b.view, b.start, near);
  if (equal < near) return equal;
  let grows = true;
  for (let block = nearBytes; block >= nearBytes && equal < most; block = grows ? block * 2 : block / 2) {
    const next = Math.min(most, equal + block);
    if (a.window.compare(b.window, b.start + equal, b.start + next, a.start + equal, a.start + next) === 0)
      equal = next;
    else grows = false;
  }
  return equal + sharedLength(a.view, a.start + equal, b.view, b.start + equal, most - equal);
};

/** The last whole record before `to`, where quoted fields may hold line ends. */
const lastRecordOf = (bytes: DataView, from: number, to: number, differs: boolean): Shared | undefined => {
  let last = from;
  let end = from;
  for (let next = lengthOf(bytes, from, to); next > 0; next = lengthOf(bytes, end, to)) {
    last = end;
    end += next;
  }
  return end === from ? undefined : { length: end - from, last: last - from, differs };
};
