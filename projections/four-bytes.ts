/** Bytes are read four at a time, as a number: a loop over each of them takes three times as long. */
export const wordBytes = 4;

const [ones, highs] = [0x01010101, 0x80808080] as const;

/**
 * Where a word's four bytes are the byte of which the pattern is made: the highest bit of each such byte. Above the first
 * one others may have theirs too; 0 is exact.
 */
export const matchesIn = (word: number, pattern: number): number => {
  const other = word ^ pattern;
  return (other - ones) & ~other & highs;
};

/** As `matchesIn`, where the bytes are below the one of which the pattern is made, which is ASCII. */
export const belowIn = (word: number, pattern: number): number => (word - pattern) & ~word & highs;

/** Which of a word's bytes, 0 to 3, the lowest bit lies in. */
export const firstIn = (bits: number): number => (31 - Math.clz32(bits & -bits)) >> 3;

/** Whether all bytes of a word, or of words put together by `|`, are ASCII. */
export const isAscii = (word: number): boolean => (word & highs) === 0;

/** A word's letters A to Z as a to z. */
export const lowerCase = (word: number): number => {
  const low = word & ~highs;
  // The highest bit of each byte: from `A` on, and beyond `Z`.
  const isUpper = ((low + 0x3f3f3f3f) ^ (low + 0x25252525)) & ~word & highs;
  return word | (isUpper >>> 2);
};

/**
 * How many bytes are the same from two places on, `most` at most. Eight are compared at a time, as one number with a
 * fraction: what is no number equals nothing, and 0 equals -0, so that both are looked at again in words.
 */
export const sharedLength = (a: DataView, from: number, b: DataView, other: number, most: number): number => {
  let at = 0;
  for (; at + 2 * wordBytes <= most; at += 2 * wordBytes) {
    const eight = a.getFloat64(from + at, true);
    if (eight !== b.getFloat64(other + at, true) || eight === 0) break;
  }
  for (; at + wordBytes <= most; at += wordBytes) {
    const differing = a.getInt32(from + at, true) ^ b.getInt32(other + at, true);
    if (differing !== 0) return at + firstIn(differing);
  }
  while (at < most && a.getUint8(from + at) === b.getUint8(other + at)) at += 1;
  return at;
};

/** Where the byte of which the pattern is made stands first; `to` where it does not. */
export const indexOfByte = (bytes: DataView, pattern: number, from: number, to: number): number => {
  let at = from;
  for (; at + wordBytes <= to; at += wordBytes) {
    const found = matchesIn(bytes.getInt32(at, true), pattern);
    if (found !== 0) return at + firstIn(found);
  }
  while (at < to && bytes.getUint8(at) !== (pattern & 0xff)) at += 1;
  return at;
};

/** The place after the last byte of which the pattern is made; `from` where there is none. */
export const afterLastByte = (bytes: DataView, pattern: number, from: number, to: number): number => {
  let at = to;
  while (at - wordBytes >= from && matchesIn(bytes.getInt32(at - wordBytes, true), pattern) === 0) at -= wordBytes;
  while (at > from && bytes.getUint8(at - 1) !== (pattern & 0xff)) at -= 1;
  return at;
};

/** Copies bytes to where they do not overlap; returns where they end. */
export const copyBytes = (into: DataView, to: number, source: DataView, from: number, until: number): number => {
  let at = to;
  let next = from;
  for (; next + wordBytes <= until; next += wordBytes, at += wordBytes)
    into.setInt32(at, source.getInt32(next, true), true);
  for (; next < until; next++, at++) into.setUint8(at, source.getUint8(next));
  return at;
};

/** The same bytes, or a copy with room for twice as many where `needed` do not fit. */
export const enlarged = (bytes: DataView, needed: number): DataView => {
  if (needed <= bytes.byteLength) return bytes;
  const larger = new DataView(new ArrayBuffer(needed * 2));
  copyBytes(larger, 0, bytes, 0, bytes.byteLength);
  return larger;
};

/** The same bytes, for reading several at once. */
export const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/** The same bytes, for what takes a Buffer. */
export const bufferOf = ({ buffer, byteOffset }: DataView, from: number, to: number): Buffer =>
  Buffer.from(buffer as ArrayBuffer, byteOffset + from, to - from);
