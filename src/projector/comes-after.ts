import { matchesIn, wordBytes } from '../../projections/four-bytes.ts';
import { backslashes } from '../log/cells.ts';

const [backslash, colon, beyondAscii] = [0x5c, 0x3a, 0x80] as const;
const colons = 0x3a3a3a3a;

/** Whether one cell's text comes after another's of the same length; undefined where their bytes alone do not tell. */
export const comesAfter = (
  bytes: DataView,
  from: number,
  other: number,
  length: number,
  needsColon: boolean,
): boolean | undefined => {
  let sawColon = !needsColon;
  let at = 0;
  for (; at + wordBytes <= length; at += wordBytes) {
    const word = bytes.getInt32(from + at, true);
    if (word !== bytes.getInt32(other + at, true)) break;
    if (matchesIn(word, backslashes) !== 0) return undefined;
    sawColon ||= matchesIn(word, colons) !== 0;
  }
  for (; at < length; at++) {
    const one = bytes.getUint8(from + at);
    const two = bytes.getUint8(other + at);
    if ((one | two) >= beyondAscii || one === backslash || two === backslash) return undefined;
    if (one !== two) return sawColon ? one > two : undefined;
    if (one === colon) sawColon = true;
  }
  return false;
};
