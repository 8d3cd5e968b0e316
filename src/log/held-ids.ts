import { randomInt } from 'node:crypto';

/**
 * Digests of ids and the offset of each, in the order of the log. Outside the collected heap: as texts in a Map they are
 * copied and marked time and again for as long as they are held.
 */
export type HeldIds = {
  add(digest: number, offset: number): void;
  /** Adds the offsets of all ids with a digest to `offsets`. */
  find(digest: number, offsets: number[]): void;
  /** Parts of them whose offsets follow one another: all are one, unless an event is missing. */
  runs(): Generator<{ readonly first: number; readonly digests: Float64Array }>;
  count(): number;
  clear(): void;
};

export const createHeldIds = (): HeldIds => {
  let digests = new Float64Array(1 << 10);
  let offsets = new Float64Array(1 << 10);
  /** A hash table with open addressing: at the slot of its digest, or behind it, the place of each id, counted from 1. */
  let slots = new Uint32Array(1 << 12);
  let count = 0;

  // Spreads the digest's low 32 bits, which alone choose the slot. Ids with the same ones share it whatever the factor is.
  const factor = randomInt(2 ** 31) | 1;

  const slotOf = (digest: number): number => Math.imul(digest | 0, factor) >>> Math.clz32(slots.length - 1);
  const after = (slot: number): number => (slot + 1) & (slots.length - 1);
  const enter = (place: number): void => {
    let slot = slotOf(digests[place] as number);
    while (slots[slot] !== 0) slot = after(slot);
    slots[slot] = place + 1;
  };
  const grow = (): void => {
    const before = [digests, offsets] as const;
    digests = new Float64Array(2 * count);
    offsets = new Float64Array(2 * count);
    slots = new Uint32Array(2 * slots.length);
    digests.set(before[0]);
    offsets.set(before[1]);
    for (let place = 0; place < count; place++) enter(place);
  };

  return {
    add: (digest, offset) => {
      if (count === digests.length) grow();
      digests[count] = digest;
      offsets[count] = offset;
      enter(count);
      count += 1;
    },
    find: (digest, found) => {
      for (let slot = slotOf(digest); slots[slot] !== 0; slot = after(slot)) {
        const place = (slots[slot] as number) - 1;
        if (digests[place] === digest) found.push(offsets[place] as number);
      }
    },
    *runs() {
      for (let from = 0, to = 1; from < count; to += 1) {
        if (to < count && offsets[to] === (offsets[to - 1] as number) + 1) continue;
        yield { first: offsets[from] as number, digests: digests.subarray(from, to) };
        from = to;
      }
    },
    count: () => count,
    clear: () => {
      slots.fill(0);
      count = 0;
    },
  };
};
