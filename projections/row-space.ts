import { wordBytes } from './four-bytes.ts';
import { type Block, createBlock } from './packed-cells.ts';
import { nowhere } from './path-index.ts';

/**
 * The memory of packed rows: chunks outside the collected heap. A row is a number of words in one of them, and its address
 * tells both. It begins with the words that it takes and, in the 16 bits above, the bytes of its path; none is a row that is
 * gone, whose place the next row of its size takes.
 */
export type RowSpace = {
  chunkOf(row: number): Chunk;
  /** The row's first word in its chunk. */
  wordOf(row: number): number;
  /** Words that the row takes. */
  wordsOf(row: number): number;
  pathBytesOf(row: number): number;
  begin(words: number, pathBytes: number): number;
  free(row: number): void;
  /** Visits the rows that stand, as they lie in memory. A generator would take four times as long. */
  forEach(visit: (row: number) => void): void;
  /** Whether rows that are gone take a quarter of all, once that is a chunk at least. */
  isWasteful(): boolean;
  /** Moves all rows together; each is told of before and after, while both can be read. */
  tidy(moved: (before: number, after: number) => void): void;
  /** Bytes that rows take, gone ones included. */
  room(): number;
};

/** Address 0 is no row: the first word stays empty. `used`: words. */
export type Chunk = Block & { used: number };

const createChunk = (words: number): Chunk => ({ ...createBlock(words), used: 1 });

/** Rows of up to so many words leave their place to others. */
const reusedMax = 256;

/** `chunkWords` is a power of two; a chunk must hold the longest row. */
export const createRowSpace = (chunkWords: number): RowSpace => {
  const shift = Math.log2(chunkWords);
  const mask = chunkWords - 1;
  const chunks: (Chunk | undefined)[] = [];
  /** Chunks that hold nothing. */
  const spare: Chunk[] = [];
  /** Rows that are gone, by their words: the last of each size, which tells the one before in its second word. */
  const gone = new Uint32Array(reusedMax + 1);
  /** Words of rows that are gone, and of all. */
  let wasted = 0;
  let taken = 0;
  const chunkOf = (row: number): Chunk => chunks[row >>> shift] as Chunk;
  const headOf = (row: number): number => chunkOf(row).words[row & mask] as number;

  /** The chunk that rows are added to, and its number. */
  let chunk: Chunk;
  let number: number;
  const openChunk = (): void => {
    chunk = spare.pop() ?? createChunk(chunkWords);
    chunk.used = 1;
    const empty = chunks.indexOf(undefined);
    number = empty === -1 ? chunks.length : empty;
    chunks[number] = chunk;
  };
  openChunk();

  const allocate = (words: number): number => {
    const left = words <= reusedMax ? (gone[words] as number) : nowhere;
    if (left !== nowhere) {
      gone[words] = chunkOf(left).words[(left & mask) + 1] as number;
      wasted -= words;
      return left;
    }
    if (chunk.used + words > chunkWords) openChunk();
    const row = number * chunkWords + chunk.used;
    chunk.used += words;
    taken += words;
    return row;
  };

  const forEachIn = ({ words, used }: Chunk, number: number, visit: (row: number) => void): void => {
    for (let at = 1; at < used; at += (words[at] as number) & 0xffff)
      if ((words[at] as number) >>> 16 !== 0) visit(number * chunkWords + at);
  };

  return {
    chunkOf,
    wordOf: (row) => row & mask,
    wordsOf: (row) => headOf(row) & 0xffff,
    pathBytesOf: (row) => headOf(row) >>> 16,
    begin: (words, pathBytes) => {
      const row = allocate(words);
      chunkOf(row).words[row & mask] = words | (pathBytes << 16);
      return row;
    },
    free: (row) => {
      const { words } = chunkOf(row);
      const size = headOf(row) & 0xffff;
      words[row & mask] = size;
      wasted += size;
      if (size > reusedMax) return;
      words[(row & mask) + 1] = gone[size] as number;
      gone[size] = row;
    },
    forEach: (visit) => {
      chunks.forEach((of, number) => {
        if (of) forEachIn(of, number, visit);
      });
    },
    isWasteful: () => wasted * 4 >= taken && taken >= chunkWords,
    tidy: (moved) => {
      const before = chunks.flatMap((of, number) => (of ? [{ of, number }] : []));
      gone.fill(nowhere);
      wasted = 0;
      openChunk();
      for (const { of, number } of before) {
        forEachIn(of, number, (row) => {
          const from = row & mask;
          const words = headOf(row) & 0xffff;
          const after = allocate(words);
          chunkOf(after).words.set(of.words.subarray(from, from + words), after & mask);
          moved(row, after);
        });
        taken -= of.used - 1;
        chunks[number] = undefined;
        spare.push(of);
      }
    },
    room: () => taken * wordBytes,
  };
};
