/**
 * A set of hashes of 64 bits, two numbers each, `low` and `high`: it takes a tenth of the room of a set of texts. Of two
 * texts with one hash it says that both are in it: whoever asks must be right either way, and only lose time.
 */
export type HashSet = {
  add(low: number, high: number): void;
  has(low: number, high: number): boolean;
};

/** Of a set that is not to grow while it is filled with `expected` hashes: what it grew out of waits to be collected. */
export const createHashSet = (expected = 0): HashSet => {
  let slots = new Int32Array(powerOfTwo(Math.max(2 * 1_024, expected * 3)));
  let count = 0;
  /** Where a hash is, or could be. An empty slot is two zeros; `high` is never zero. */
  const slotOf = (low: number, high: number): number => {
    const mask = slots.length - 2;
    let at = ((low ^ (high >>> 13)) << 1) & mask;
    while (slots[at + 1] !== 0 && (slots[at] !== low || slots[at + 1] !== high)) at = (at + 2) & mask;
    return at;
  };
  const put = (low: number, high: number): void => {
    const at = slotOf(low, high);
    if (slots[at + 1] === 0) count += 1;
    slots[at] = low;
    slots[at + 1] = high;
  };
  const grow = (): void => {
    const before = slots;
    slots = new Int32Array(before.length * 2);
    count = 0;
    for (let at = 0; at < before.length; at += 2)
      if (before[at + 1] !== 0) put(before[at] as number, before[at + 1] as number);
  };
  return {
    add: (low, high) => {
      if (count * 3 > slots.length) grow();
      put(low, high || 1);
    },
    has: (low, high) => slots[slotOf(low, high || 1) + 1] !== 0,
  };
};

/** Hashes that are only ever asked for all at once: half the room of a set, and no search. */
export type HashList = {
  add(low: number, high: number): void;
  some(test: (low: number, high: number) => boolean): boolean;
};

export const createHashList = (): HashList => {
  const full: Int32Array[] = [];
  let last = new Int32Array(2 * 1_024);
  let length = 0;
  return {
    add: (low, high) => {
      if (length === last.length) {
        full.push(last);
        last = new Int32Array(Math.min(last.length * 2, hashesAtOnce));
        length = 0;
      }
      last[length++] = low;
      last[length++] = high;
    },
    some: (test) => full.some((hashes) => someOf(hashes, hashes.length, test)) || someOf(last, length, test),
  };
};

/** Numbers of a list are kept in pieces of this many, of which none is ever copied. */
const hashesAtOnce = 2 * 16_384;

const someOf = (hashes: Int32Array, length: number, test: (low: number, high: number) => boolean): boolean => {
  for (let at = 0; at < length; at += 2) if (test(hashes[at] as number, hashes[at + 1] as number)) return true;
  return false;
};

/** Where the one row of each file is. */
export type FilePlaces = {
  /** `position` is undefined where it does not count as the only one. */
  add(fileId: number, position: number | undefined): void;
  has(fileId: number): boolean;
  /** Undefined where the file has several rows, or none that counts. */
  onlyOf(fileId: number): number | undefined;
};

const notOnly = -1;

/** The first power of two that is no less. */
const powerOfTwo = (least: number): number => 2 ** Math.ceil(Math.log2(least));

/** A map of numbers, whose tables take a fifth of the room of a `Map`. */
export const createFilePlaces = (expected = 0): FilePlaces => {
  let ids = new Float64Array(powerOfTwo(Math.max(1_024, expected * 1.5)));
  let positions = new Float64Array(ids.length);
  let count = 0;
  /** Where a file is, or could be. Ids are kept with one added, so that 0 is an empty slot. */
  const slotOf = (id: number): number => {
    const mask = ids.length - 1;
    let at = Math.imul(id, 0x9e3779b1) & mask;
    while (ids[at] !== 0 && ids[at] !== id + 1) at = (at + 1) & mask;
    return at;
  };
  const grow = (): void => {
    const [idsBefore, positionsBefore] = [ids, positions];
    ids = new Float64Array(idsBefore.length * 2);
    positions = new Float64Array(ids.length);
    idsBefore.forEach((known, at) => {
      if (known === 0) return;
      const slot = slotOf(known - 1);
      ids[slot] = known;
      positions[slot] = positionsBefore[at] as number;
    });
  };
  return {
    add: (id, position = notOnly) => {
      if (count * 3 > ids.length * 2) grow();
      const slot = slotOf(id);
      const isNew = ids[slot] === 0;
      if (isNew) count += 1;
      ids[slot] = id + 1;
      positions[slot] = isNew ? position : notOnly;
    },
    has: (id) => ids[slotOf(id)] !== 0,
    onlyOf: (id) => {
      const slot = slotOf(id);
      return ids[slot] === 0 || positions[slot] === notOnly ? undefined : positions[slot];
    },
  };
};
