import { viewOf } from '../../projections/four-bytes.ts';
import { type Block, packCells, packedWords, packText } from '../../projections/packed-cells.ts';

/** Puts cells, each a value in JSON, into a block: packed where that is possible. Tells the words that they take. */
export const packInto = (block: Block, cells: readonly string[]) => {
  const [from, to] = [new Int32Array(cells.length), new Int32Array(cells.length)];
  cells.forEach((cell, at) => {
    from[at] = at === 0 ? 0 : (to[at - 1] as number) + 1;
    to[at] = (from[at] as number) + Buffer.byteLength(cell);
  });
  const text = cells.join(',');
  const isPacked = packCells(block, viewOf(Buffer.from(text)), { from, to });
  return { isPacked, words: isPacked ? packedWords : packText(block, text) };
};
