import { firstIn, matchesIn, wordBytes } from '../../projections/four-bytes.ts';
import { eventColumns } from './columns.ts';

/** The place of each column among a row's cells. */
export const place = Object.fromEntries(eventColumns.map((name, at) => [name, at])) as Readonly<
  Record<(typeof eventColumns)[number], number>
>;

/** Where the cells of one row lie in a window's bytes. */
export type Cells = { readonly from: Int32Array; readonly to: Int32Array };

export const createCells = (): Cells => ({
  from: new Int32Array(eventColumns.length),
  to: new Int32Array(eventColumns.length),
});

/** What `null` begins with, and no other value. */
export const nullBegins = 0x6e;

const [quote, comma, backslash, bracket] = [0x22, 0x2c, 0x5c, 0x5d] as const;
const quotes = 0x22222222;
export const backslashes = 0x5c5c5c5c;

/** Where a text goes on after bytes that neither end it nor escape anything; four are looked at in one go. */
const skipPlain = (bytes: DataView, at: number): number => {
  let next = at;
  for (const last = bytes.byteLength - wordBytes; next <= last; next += wordBytes) {
    const word = bytes.getInt32(next, true);
    const found = matchesIn(word, quotes) | matchesIn(word, backslashes);
    if (found !== 0) return next + firstIn(found);
  }
  while (bytes.getUint8(next) !== quote && bytes.getUint8(next) !== backslash) next += 1;
  return next;
};

/** Finds the cells of the row, an array in JSON without white space, that begins at `at`; returns where it ends. */
export const readCells = (bytes: DataView, at: number, { from, to }: Cells): number => {
  let next = at;
  for (let cell = 0; ; cell++) {
    next += 1;
    from[cell] = next;
    const first = bytes.getUint8(next);
    if (first === quote) {
      next = skipPlain(bytes, next + 1);
      while (bytes.getUint8(next) === backslash) next = skipPlain(bytes, next + 2);
      next += 1;
    } else if (first === nullBegins) next += 4;
    else while (bytes.getUint8(next) !== comma && bytes.getUint8(next) !== bracket) next += 1;
    to[cell] = next;
    if (bytes.getUint8(next) === bracket) return next + 1;
  }
};
