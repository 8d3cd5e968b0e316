import { randomInt } from 'node:crypto';
import { wordBytes } from './four-bytes.ts';

/** No row. */
export const nowhere = 0;

/** Whether a row's path is these bytes. */
type IsAt = (row: number, bytes: DataView, from: number, to: number) => boolean;

/** Rows, each a number above 0, by the bytes of their paths: a hash table with open addressing. */
export type PathIndex = {
  hashOf(bytes: DataView, from: number, to: number): number;
  /** The row at a path, or `nowhere`. */
  find(bytes: DataView, from: number, to: number, hash?: number): number;
  /** Notes in `rows` which row is first looked at for each hash. */
  lookAhead(hashes: Uint32Array, count: number, rows: Uint32Array): void;
  /** Puts a row where `find` has just looked; returns the one whose place it takes. */
  put(row: number): number;
  /** Removes the row that `find` has just found. */
  remove(): void;
  count(): number;
  /** Gives its memory back at once, without a collection. Nothing is found from then on. */
  end(): void;
  /** Bytes that the index takes. */
  room(): number;
};

export const createPathIndex = (isAt: IsAt): PathIndex => {
  // Two numbers a slot, side by side in one line of the cache: the row, and its hash. A row stands at the slot of its hash,
  // or behind it with nothing empty between.
  let slots = new Uint32Array(2 * 1_024);
  let count = 0;
  /** Where `find` has just looked. */
  let slot = 0;
  let hash = 0;
  // Whoever would name files so that they collide would have to know these.
  const seed = randomInt(2 ** 31);
  const [factor, otherFactor] = [randomInt(2 ** 31) | 1, randomInt(2 ** 31) | 1];

  const hashOf = (bytes: DataView, from: number, to: number): number => {
    let mixed = seed ^ (to - from);
    let at = from;
    for (; at + wordBytes <= to; at += wordBytes) mixed = mix(mixed, bytes.getInt32(at, true));
    let rest = 0;
    for (; at < to; at++) rest = (rest << 8) | bytes.getUint8(at);
    mixed = mix(mixed, rest);
    return Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d) >>> 0;
  };

  /** Both products are needed: a secret odd factor leaves a word's highest bit where it is, for all to see. */
  const mix = (mixed: number, word: number): number =>
    Math.imul(
      ((mixed << 13) | (mixed >>> 19)) ^
        (Math.imul(word, factor) + Math.imul((word << 16) | (word >>> 16), otherFactor)),
      0x9e3779b1,
    );

  /** The slot after one. */
  const after = (slot: number, last: number): number => (slot + 2) & last;

  const grow = (): void => {
    const before = slots;
    slots = new Uint32Array(before.length * 2);
    const last = slots.length - 2;
    for (let old = 0; old < before.length; old += 2) {
      if (before[old] === nowhere) continue;
      const hash = before[old + 1] as number;
      let next = (hash << 1) & last;
      while (slots[next] !== nowhere) next = after(next, last);
      slots[next] = before[old] as number;
      slots[next + 1] = hash;
    }
  };

  return {
    hashOf,
    find: (bytes, from, to, known = hashOf(bytes, from, to)) => {
      if (count * 8 >= slots.length * 3) grow();
      const last = slots.length - 2;
      hash = known;
      slot = (hash << 1) & last;
      while (slots[slot] !== nowhere && (slots[slot + 1] !== hash || !isAt(slots[slot] as number, bytes, from, to)))
        slot = after(slot, last);
      return slots[slot] as number;
    },
    lookAhead: (hashes, count, rows) => {
      const last = slots.length - 2;
      for (let at = 0; at < count; at++) rows[at] = slots[((hashes[at] as number) << 1) & last] as number;
    },
    put: (row) => {
      const before = slots[slot] as number;
      if (before === nowhere) count += 1;
      slots[slot] = row;
      slots[slot + 1] = hash;
      return before;
    },
    remove: () => {
      const last = slots.length - 2;
      // What stands behind the gap moves up to it, unless it would then stand before its hash.
      let gap = slot;
      for (let at = after(gap, last); slots[at] !== nowhere; at = after(at, last)) {
        const first = ((slots[at + 1] as number) << 1) & last;
        if (((at - first) & last) < ((at - gap) & last)) continue;
        slots[gap] = slots[at] as number;
        slots[gap + 1] = slots[at + 1] as number;
        gap = at;
      }
      slots[gap] = nowhere;
      count -= 1;
    },
    count: () => count,
    end: () => {
      slots.buffer.transfer(0);
      slots = new Uint32Array(2 * 1_024);
      count = 0;
    },
    room: () => slots.byteLength,
  };
};
