import { randomInt } from 'node:crypto';

/** No row. */
export const nowhere = 0;

/** Whether a row's path is these bytes. */
type IsAt = (row: number, bytes: Uint8Array, from: number, to: number) => boolean;

/** Rows, each a number above 0, by the bytes of their paths: a hash table with open addressing. */
export type PathIndex = {
  /** The row at a path, or `nowhere`. */
  find(bytes: Uint8Array, from: number, to: number): number;
  /** Puts a row where `find` has just looked; returns the one whose place it takes. */
  put(row: number): number;
  /** Removes the row that `find` has just found. */
  remove(): void;
  rows(): Uint32Array;
  count(): number;
  /** Bytes that the index takes. */
  room(): number;
};

export const createPathIndex = (isAt: IsAt): PathIndex => {
  // Each row stands at the slot of its hash, or behind it with nothing empty between.
  let slots = new Uint32Array(1_024);
  let hashes = new Uint32Array(slots.length);
  let count = 0;
  /** Where `find` has just looked. */
  let slot = 0;
  let hash = 0;
  // Whoever would name files so that they collide would have to know it.
  const seed = randomInt(2 ** 31);

  const hashOf = (bytes: Uint8Array, from: number, to: number): number => {
    let mixed = seed;
    for (let at = from; at < to; at++) mixed = Math.imul(mixed ^ (bytes[at] as number), 0x01000193);
    return Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d) >>> 0;
  };

  const grow = (): void => {
    const [before, hashesBefore] = [slots, hashes];
    slots = new Uint32Array(before.length * 2);
    hashes = new Uint32Array(slots.length);
    const mask = slots.length - 1;
    for (let old = 0; old < before.length; old++) {
      if (before[old] === nowhere) continue;
      let next = (hashesBefore[old] as number) & mask;
      while (slots[next] !== nowhere) next = (next + 1) & mask;
      slots[next] = before[old] as number;
      hashes[next] = hashesBefore[old] as number;
    }
  };

  return {
    find: (bytes, from, to) => {
      if (count * 4 >= slots.length * 3) grow();
      const mask = slots.length - 1;
      hash = hashOf(bytes, from, to);
      slot = hash & mask;
      while (slots[slot] !== nowhere && (hashes[slot] !== hash || !isAt(slots[slot] as number, bytes, from, to)))
        slot = (slot + 1) & mask;
      return slots[slot] as number;
    },
    put: (row) => {
      const before = slots[slot] as number;
      if (before === nowhere) count += 1;
      slots[slot] = row;
      hashes[slot] = hash;
      return before;
    },
    remove: () => {
      const mask = slots.length - 1;
      // What stands behind the gap moves up to it, unless it would then stand before its hash.
      let gap = slot;
      for (let at = (gap + 1) & mask; slots[at] !== nowhere; at = (at + 1) & mask) {
        if (((at - (hashes[at] as number)) & mask) < ((at - gap) & mask)) continue;
        slots[gap] = slots[at] as number;
        hashes[gap] = hashes[at] as number;
        gap = at;
      }
      slots[gap] = nowhere;
      count -= 1;
    },
    rows: () => slots.filter((row) => row !== nowhere),
    count: () => count,
    room: () => slots.byteLength + hashes.byteLength,
  };
};
