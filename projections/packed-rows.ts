import { wordBytes } from './four-bytes.ts';
import { createPathIndex, nowhere } from './path-index.ts';
import { column, columns } from './rows.ts';
import { lotsOf } from './sorted-lots.ts';
import type { Totals } from './working-set.ts';

/**
 * A table of rows as bytes, outside the collected heap, for a fold that holds every row at once. A row is the JSON of its
 * cells with commas between them, as `Store.insert` takes it; a path is its cell, quotes included. Whoever writes it writes
 * one text in one way: equal cells are equal bytes. A row is known by its address, until `tidy`.
 */
export type PackedRows = {
  /** The hash of a path, for `find`, `take` and `lookAhead`. */
  hashOf(bytes: DataView, from: number, to: number): number;
  /** The row at a path, or `nowhere`. */
  find(bytes: DataView, from: number, to: number, hash?: number): number;
  /** Removes the row, and returns it: what it held can still be read. */
  take(bytes: DataView, from: number, to: number, hash?: number): number;
  /**
   * Looks at what `find` will look at for the first `count` hashes, `aheadMax` at most. Memory that no cache holds takes long
   * to come, and comes for all of them at the same time.
   */
  lookAhead(hashes: Uint32Array, count: number): void;
  /** The rows whose paths begin with these bytes: a cell without its last quote. Looks at every row. */
  beneath(bytes: DataView, from: number, to: number): number[];
  bytesOf(row: number): DataView;
  /** Where a cell of the row begins in these bytes. */
  fromOf(row: number, cell: number): number;
  /** Where it ends. */
  toOf(row: number, cell: number): number;
  /** Begins a row: its cells follow, in the order of the columns. */
  begin(): void;
  add(bytes: DataView, from: number, to: number): void;
  /** Adds to the cell that was added last. */
  extend(bytes: DataView, from: number, to: number): void;
  /** Puts the row at its path, in the place of another one. */
  end(): void;
  /** The same where that path is the one of the last `find`, and nothing has been put or taken since. */
  endThere(): void;
  /** Gives back the room of rows that are gone, once it is a quarter of all. */
  tidy(): void;
  count(): number;
  /** Bytes that the rows and their index take. */
  room(): number;
  /** All rows as texts, in lots of about `size` rows that follow each other in the order of their paths, with their totals. */
  lots(size: number): Generator<{ readonly texts: readonly string[]; readonly totals: Totals }>;
};

/** The most that a row's JSON may take: where a cell ends is written in 16 bits. */
export const rowBytesMax = 0xffff;

export const aheadMax = 32;

/** What memory sends at once. */
const lineBytes = 64;

/** A row begins at a multiple of so many bytes; its address is how many of them lie before it. */
const unit = 4;

// Before a row's text, in 16 bits each: the units that the row takes, and where each cell ends.
const endsAt = 1;
const headerBytes = Math.ceil((2 * (endsAt + columns.length)) / unit) * unit;

/** `used`: bytes. The first unit stays empty, so that no row has the address 0. */
type Chunk = { readonly bytes: Buffer; readonly view: DataView; readonly words: Uint16Array; used: number };

const createChunk = (size: number): Chunk => {
  const memory = new ArrayBuffer(size);
  return { bytes: Buffer.from(memory), view: new DataView(memory), words: new Uint16Array(memory), used: unit };
};

const [comma, zero] = [0x2c, 0x30] as const;

/** `chunkUnits` is a power of two; a chunk must hold the longest row. */
export const createPackedRows = (chunkUnits = 2 ** 20): PackedRows => {
  const shift = Math.log2(chunkUnits);
  const chunks: (Chunk | undefined)[] = [];
  const spare: Chunk[] = [];
  /** Units of rows that are gone, and of all. */
  let wasted = 0;
  let taken = 0;
  const chunkOf = (row: number): Chunk => chunks[row >>> shift] as Chunk;
  const startOf = (row: number): number => (row & (chunkUnits - 1)) * unit;
  const unitsOf = (row: number): number => chunkOf(row).words[startOf(row) / 2] as number;
  const toOf = (row: number, cell: number): number => {
    const start = startOf(row);
    return start + headerBytes + (chunkOf(row).words[start / 2 + endsAt + cell] as number);
  };
  const fromOf = (row: number, cell: number): number =>
    cell === 0 ? startOf(row) + headerBytes : toOf(row, cell - 1) + 1;

  const isAt = (row: number, bytes: DataView, from: number, to: number): boolean => {
    const own = chunkOf(row).view;
    let other = fromOf(row, 0);
    if (toOf(row, 0) - other !== to - from) return false;
    let at = from;
    for (; at + wordBytes <= to; at += wordBytes, other += wordBytes)
      if (bytes.getInt32(at, true) !== own.getInt32(other, true)) return false;
    for (; at < to; at++) if (bytes.getUint8(at) !== own.getUint8(other++)) return false;
    return true;
  };

  const index = createPathIndex(isAt);
  const ahead = new Uint32Array(aheadMax);
  /** What looking ahead has seen. Nobody asks: what is looked at for nothing, a compiler leaves out. */
  let seen = 0;
  /** Whether a row is in the table still; if it is, the index has just looked there. */
  const stands = (row: number): boolean => index.find(chunkOf(row).view, fromOf(row, 0), toOf(row, 0)) === row;

  /** The chunk that rows are added to, and its number. */
  let chunk = createChunk(chunkUnits * unit);
  let number = chunks.push(chunk) - 1;
  /** Of the row in hand: where it begins, how far its text is, and how many cells it has. */
  let start = 0;
  let text = 0;
  let cells = 0;

  /** Makes sure that there is room for any row. */
  const makeRoom = (): void => {
    if (chunk.used + headerBytes + rowBytesMax + unit <= chunk.bytes.length) return;
    chunk = spare.pop() ?? createChunk(chunkUnits * unit);
    chunk.used = unit;
    const free = chunks.indexOf(undefined);
    number = free === -1 ? chunks.length : free;
    chunks[number] = chunk;
  };

  /** The address of what has been written at the end of the chunk. */
  const settle = (units: number): number => {
    const row = number * chunkUnits + chunk.used / unit;
    chunk.used += units * unit;
    taken += units;
    return row;
  };

  const extend = (bytes: DataView, from: number, to: number): void => {
    const into = chunk.view;
    let at = from;
    for (; at + wordBytes <= to; at += wordBytes, text += wordBytes)
      into.setInt32(text, bytes.getInt32(at, true), true);
    for (; at < to; at++) into.setUint8(text++, bytes.getUint8(at));
    chunk.words[start / 2 + endsAt + cells - 1] = text - start - headerBytes;
  };

  /** Moves the rows of a chunk that still stand to the chunk that is open. */
  const empty = (old: Chunk, of: number): void => {
    for (let at = unit; at < old.used; ) {
      const row = of * chunkUnits + at / unit;
      const units = unitsOf(row);
      if (stands(row)) {
        makeRoom();
        old.bytes.copy(chunk.bytes, chunk.used, at, at + units * unit);
        index.put(settle(units));
      }
      at += units * unit;
      taken -= units;
    }
  };

  /** The cell's number; 0 for null. */
  const numberOf = (row: number, cell: number): number => {
    const { bytes } = chunkOf(row);
    const to = toOf(row, cell);
    let number = 0;
    for (let at = fromOf(row, cell); at < to; at++) {
      const digit = (bytes[at] as number) - zero;
      if (digit < 0 || digit > 9) return Number(textOf(row, cell, cell)) || 0;
      number = number * 10 + digit;
    }
    return number;
  };

  const endThere = (): void => {
    const units = Math.ceil((text - start) / unit);
    chunk.words[start / 2] = units;
    const before = index.put(settle(units));
    if (before !== nowhere) wasted += unitsOf(before);
  };

  const textOf = (row: number, cellFrom: number, cellTo: number): string =>
    chunkOf(row).bytes.toString('utf8', fromOf(row, cellFrom), toOf(row, cellTo));

  return {
    hashOf: index.hashOf,
    find: index.find,
    lookAhead: (hashes, count) => {
      index.lookAhead(hashes, count, ahead);
      for (let at = 0; at < count; at++) {
        const row = ahead[at] as number;
        // A path begins in the first line of the cache, and mostly ends in the second.
        if (row !== nowhere) seen ^= unitsOf(row) ^ (chunkOf(row).bytes[startOf(row) + lineBytes] ?? 0);
      }
    },
    take: (bytes, from, to, hash) => {
      const row = index.find(bytes, from, to, hash);
      if (row === nowhere) return row;
      index.remove();
      wasted += unitsOf(row);
      return row;
    },
    beneath: (bytes, from, to) => {
      const found: number[] = [];
      const length = to - from;
      chunks.forEach((of, number) => {
        if (!of) return;
        for (let at = unit; at < of.used; at += (of.words[at / 2] as number) * unit) {
          const path = at + headerBytes;
          let same = 0;
          while (same < length && of.bytes[path + same] === bytes.getUint8(from + same)) same++;
          const row = number * chunkUnits + at / unit;
          if (same === length && stands(row)) found.push(row);
        }
      });
      return found;
    },
    bytesOf: (row) => chunkOf(row).view,
    fromOf,
    toOf,
    begin: () => {
      makeRoom();
      start = chunk.used;
      text = start + headerBytes;
      cells = 0;
    },
    add: (bytes, from, to) => {
      if (cells++ > 0) chunk.bytes[text++] = comma;
      extend(bytes, from, to);
    },
    extend,
    end: () => {
      const from = start + headerBytes;
      index.find(chunk.view, from, from + (chunk.words[start / 2 + endsAt] as number));
      endThere();
    },
    endThere,
    tidy: () => {
      if (wasted * 4 < taken || taken < chunkUnits) return;
      const before = chunks.flatMap((of, at) => (of ? [{ of, at }] : []));
      chunk = createChunk(chunkUnits * unit);
      number = chunks.push(chunk) - 1;
      for (const { of, at } of before) {
        empty(of, at);
        chunks[at] = undefined;
        spare.push(of);
      }
      wasted = 0;
    },
    count: index.count,
    room: () => taken * unit + index.room(),
    *lots(size) {
      for (const lot of lotsOf(index.rows(), size, (row) => textOf(row, 0, 0))) {
        let bytes = 0;
        const texts = lot.map((row) => {
          bytes += numberOf(row, column.size);
          return textOf(row, 0, columns.length - 1);
        });
        yield { texts: texts.sort(), totals: { files: lot.length, bytes } };
      }
    },
  };
};
