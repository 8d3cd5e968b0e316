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

const [quote, comma, backslash, bracket] = [0x22, 0x2c, 0x5c, 0x5d] as const;

/** Finds the cells of the row, an array in JSON without white space, that begins at `at`; returns where it ends. */
export const readCells = (bytes: Uint8Array, at: number, { from, to }: Cells): number => {
  let next = at;
  for (let cell = 0; ; cell++) {
    next += 1;
    from[cell] = next;
    if (bytes[next] === quote) {
      next += 1;
      while (bytes[next] !== quote) next += bytes[next] === backslash ? 2 : 1;
      next += 1;
    } else while (bytes[next] !== comma && bytes[next] !== bracket) next += 1;
    to[cell] = next;
    if (bytes[next] === bracket) return next + 1;
  }
};
