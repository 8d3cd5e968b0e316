import { copyBytes, wordBytes } from './four-bytes.ts';
import {
  type Block,
  createBlock,
  isText,
  permissionsAt,
  setPermissions,
  sizeAt,
  wordsOf,
  writeBytes,
  writeCells,
  writeNumber,
} from './packed-cells.ts';
import { createPathIndex, nowhere } from './path-index.ts';
import { createRowSpace } from './row-space.ts';
import { lotsOf } from './sorted-lots.ts';
import type { Totals } from './working-set.ts';

/**
 * A table of rows as bytes, for a fold that holds every row at once. A row is its path (the cell as JSON, quotes included),
 * `file_id`, `offset`, and a block of packed cells. Whoever writes a path writes one text in one way: equal paths are equal
 * bytes. A row is known by its address, until `tidy`.
 */
export type PackedRows = {
  /** The hash of a path, for `find` and `lookAhead`. */
  hashOf(bytes: DataView, from: number, to: number): number;
  /** The row at a path, or `nowhere`. */
  find(bytes: DataView, from: number, to: number, hash?: number): number;
  /** Finds a row by its own path. */
  findAgain(row: number): void;
  /**
   * Looks at what `find` will look at for the first `count` hashes, `aheadMax` at most. Memory that no cache holds takes long
   * to come, and comes for all of them at the same time.
   */
  lookAhead(hashes: Uint32Array, count: number): void;
  /** The rows whose paths begin with these bytes: a cell without its last quote. Looks at every row. */
  beneath(bytes: DataView, from: number, to: number): number[];
  /** In what the row's path lies, and where. */
  bytesOf(row: number): DataView;
  pathFrom(row: number): number;
  pathTo(row: number): number;
  /** Bytes that the row takes. */
  lengthOf(row: number): number;
  fileIdOf(row: number): number;
  /** Words of its block, and what packed-cells.ts tells of that. */
  blockWords(row: number): number;
  isText(row: number): boolean;
  permissionsOf(row: number): number;
  setPermissions(row: number, permissions: number): void;
  setOffset(row: number, offset: number): void;
  /** The row as JSON: its cells in the order of the columns, with commas between them. */
  textOf(row: number): string;
  /** Begins a row with a path of so many bytes, which are added next, and room for a block of so many words. */
  begin(pathBytes: number, words: number): number;
  addPath(bytes: DataView, from: number, to: number): void;
  setCells(row: number, fileId: number, block: Block, words: number): void;
  /** Says of a row what another says, beside path and offset. */
  copyCells(row: number, from: number): void;
  /** Puts the row that was begun at its path, in the place of another one. */
  end(row: number): void;
  /** The same where that path is the one of the last `find`, and nothing has been put or removed since. */
  endThere(row: number): void;
  /** Gives the row that the last `find` has found another block, elsewhere if need be; returns where it is. */
  replaceBlock(row: number, block: Block, words: number): number;
  /** Takes the row that the last `find` has found away from its path; it can be read until `free`. */
  remove(): void;
  free(row: number): void;
  /** Gives back the room of rows that are gone, once it is a quarter of all. */
  tidy(): void;
  count(): number;
  /** Bytes that the rows and their index take. */
  room(): number;
  /**
   * All rows as texts, in lots of about `size` rows that follow each other in the order of their paths, with their totals.
   * The index makes room for that: no row is found any more.
   */
  lots(size: number): Generator<{ readonly texts: readonly string[]; readonly totals: Totals }>;
};

/** The most that a row may take, and the event that changes it with it: lengths are written in 16 bits. */
export const rowBytesMax = 0xff00;

export const aheadMax = 32;

/** What memory sends at once. */
const lineWords = 16;

// Where a row has what: see `RowSpace` for its first word.
const [fileIdWord, offsetWord, pathWord] = [1, 2, 3] as const;

const wordsFor = (bytes: number): number => (bytes + wordBytes - 1) >>> 2;
const comma = 0x2c;

export const createPackedRows = (chunkWords = 2 ** 20): PackedRows => {
  const space = createRowSpace(chunkWords);
  const { chunkOf, wordOf, pathBytesOf, free } = space;
  const blockAt = (row: number): number => wordOf(row) + pathWord + wordsFor(pathBytesOf(row));
  const pathFrom = (row: number): number => (wordOf(row) + pathWord) * wordBytes;
  const pathTo = (row: number): number => pathFrom(row) + pathBytesOf(row);
  const numberAt = (row: number, word: number): number => (chunkOf(row).words[wordOf(row) + word] as number) >>> 0;
  const setNumber = (row: number, word: number, value: number): void => {
    chunkOf(row).words[wordOf(row) + word] = value;
  };

  const isAt = (row: number, bytes: DataView, from: number, to: number): boolean => {
    if (pathBytesOf(row) !== to - from) return false;
    const { words, view } = chunkOf(row);
    let word = wordOf(row) + pathWord;
    let at = from;
    for (; at + wordBytes <= to; at += wordBytes) if (bytes.getInt32(at, true) !== words[word++]) return false;
    for (let own = word * wordBytes; at < to; at++) if (bytes.getUint8(at) !== view.getUint8(own++)) return false;
    return true;
  };

  const index = createPathIndex(isAt);
  const ahead = new Uint32Array(aheadMax);
  /** What looking ahead has seen. Nobody asks: what is looked at for nothing, a compiler leaves out. */
  let seen = 0;

  /** Of the row in hand: where the next bytes of its path go. */
  let into: DataView = new DataView(new ArrayBuffer(0));
  let pathEnd = 0;

  const begin = (pathBytes: number, words: number): number => {
    const row = space.begin(pathWord + wordsFor(pathBytes) + words, pathBytes);
    into = chunkOf(row).view;
    pathEnd = pathFrom(row);
    return row;
  };

  const addPath = (bytes: DataView, from: number, to: number): void => {
    pathEnd = copyBytes(into, pathEnd, bytes, from, to);
  };

  const setBlock = (row: number, words: Int32Array, from: number, count: number): void => {
    const own = chunkOf(row).words;
    for (let word = 0, at = blockAt(row); word < count; word++) own[at++] = words[from + word] as number;
  };

  const setCells = (row: number, fileId: number, block: Block, words: number): void => {
    setNumber(row, fileIdWord, fileId);
    setBlock(row, block.words, 0, words);
  };

  const findAgain = (row: number): number => index.find(chunkOf(row).view, pathFrom(row), pathTo(row));

  const endThere = (row: number): void => {
    const before = index.put(row);
    if (before !== nowhere) free(before);
  };

  const replaceBlock = (row: number, block: Block, words: number): number => {
    if (blockAt(row) + words <= wordOf(row) + space.wordsOf(row)) {
      setBlock(row, block.words, 0, words);
      return row;
    }
    const moved = begin(pathBytesOf(row), words);
    addPath(chunkOf(row).view, pathFrom(row), pathTo(row));
    setCells(moved, numberAt(row, fileIdWord), block, words);
    endThere(moved);
    return moved;
  };

  const page = createBlock(rowBytesMax);
  const textOf = (row: number): string => {
    const of = chunkOf(row);
    let end = writeBytes(page, 0, of.words, wordOf(row) + pathWord, pathBytesOf(row));
    page.bytes[end++] = comma;
    end = writeNumber(page, end, numberAt(row, fileIdWord));
    page.bytes[end++] = comma;
    end = writeCells(page, end, of, blockAt(row));
    page.bytes[end++] = comma;
    return page.bytes.toString('utf8', 0, writeNumber(page, end, numberAt(row, offsetWord)));
  };

  return {
    hashOf: index.hashOf,
    find: index.find,
    findAgain,
    lookAhead: (hashes, count) => {
      index.lookAhead(hashes, count, ahead);
      for (let at = 0; at < count; at++) {
        const row = ahead[at] as number;
        // A path begins in the first line of the cache, and mostly ends in the second.
        if (row !== nowhere) seen ^= numberAt(row, 0) ^ numberAt(row, lineWords);
      }
    },
    beneath: (bytes, from, to) => {
      const found: number[] = [];
      space.forEach((row) => {
        const own = chunkOf(row).bytes;
        const path = pathFrom(row) - from;
        let at = from;
        while (at < to && own[path + at] === bytes.getUint8(at)) at++;
        if (at === to) found.push(row);
      });
      return found;
    },
    bytesOf: (row) => chunkOf(row).view,
    pathFrom,
    pathTo,
    lengthOf: (row) => space.wordsOf(row) * wordBytes,
    fileIdOf: (row) => numberAt(row, fileIdWord),
    blockWords: (row) => wordsOf(chunkOf(row), blockAt(row)),
    isText: (row) => isText(chunkOf(row), blockAt(row)),
    permissionsOf: (row) => permissionsAt(chunkOf(row), blockAt(row)),
    setPermissions: (row, permissions) => setPermissions(chunkOf(row), blockAt(row), permissions),
    setOffset: (row, offset) => setNumber(row, offsetWord, offset),
    textOf,
    begin,
    addPath,
    setCells,
    copyCells: (row, from) => {
      const of = chunkOf(from);
      setNumber(row, fileIdWord, numberAt(from, fileIdWord));
      setBlock(row, of.words, blockAt(from), wordsOf(of, blockAt(from)));
    },
    end: (row) => {
      findAgain(row);
      endThere(row);
    },
    endThere,
    replaceBlock,
    remove: index.remove,
    free,
    tidy: () => {
      if (!space.isWasteful()) return;
      space.tidy((before, after) => {
        findAgain(before);
        index.put(after);
      });
    },
    count: index.count,
    room: () => space.room() + index.room(),
    *lots(size) {
      const count = index.count();
      index.end();
      const items = {
        count,
        forEach: space.forEach,
        textOf: (row: number) => chunkOf(row).bytes.toString('utf8', pathFrom(row), pathTo(row)),
      };
      for (const lot of lotsOf(items, size)) {
        let bytes = 0;
        const texts = Array.from(lot, (row) => {
          bytes += sizeAt(chunkOf(row), blockAt(row));
          return textOf(row);
        });
        yield { texts: texts.sort(), totals: { files: lot.length, bytes } };
      }
    },
  };
};
