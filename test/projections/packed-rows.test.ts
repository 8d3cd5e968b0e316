import test from 'ava';
import { viewOf } from '../../projections/four-bytes.ts';
import { createBlock } from '../../projections/packed-cells.ts';
import { createPackedRows } from '../../projections/packed-rows.ts';
import { nowhere } from '../../projections/path-index.ts';
import { packInto } from '../support/packing.ts';
import { randomOf, seedOf } from '../support/seed.ts';

const bytesOf = (value: string | number | null): DataView => viewOf(Buffer.from(JSON.stringify(value)));

const block = createBlock(1_000);

/** Puts cells into the block, packed where that is possible; returns the words that they take. */
const pack = (cells: readonly (string | number | null)[]): number =>
  packInto(
    block,
    cells.map((cell) => JSON.stringify(cell)),
  ).words;

test('it holds what a Map would, through growth, removals and tidying', (t) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  // The smallest chunk: some 700 rows.
  const rows = createPackedRows(2 ** 15);
  const expected = new Map<string, string>();
  const put = (path: string, isThere: boolean): void => {
    const usual = random() < 0.5;
    const etag = usual
      ? below(2 ** 32)
          .toString(16)
          .padStart(8, '0')
          .repeat(4)
      : 'é"'.repeat(below(8));
    const time = usual ? new Date(below(2 ** 40)).toISOString() : null;
    const cells = [path, below(1_000), null, below(100), etag, '0644', time, below(1e9)];
    const found = rows.find(bytesOf(path), 0, bytesOf(path).byteLength);
    t.is(found !== nowhere, expected.has(path));
    const words = pack(cells.slice(2, 7));
    if (found !== nowhere && random() < 0.5) {
      // The file stays what it was, and only its cells change.
      cells[1] = rows.fileIdOf(found);
      rows.setOffset(rows.replaceBlock(found, block, words), cells[7] as number);
    } else {
      const row = rows.begin(bytesOf(path).byteLength, words);
      rows.addPath(bytesOf(path), 0, bytesOf(path).byteLength);
      rows.setCells(row, cells[1] as number, block, words);
      rows.setOffset(row, cells[7] as number);
      if (isThere) rows.endThere(row);
      else rows.end(row);
    }
    expected.set(path, JSON.stringify(cells).slice(1, -1));
  };
  let roomMax = 0;
  for (let step = 0; step < 60_000; step++) {
    const path = `${'abc'[below(3)]}/${below(1_000)}`;
    if (random() < 0.6) put(path, random() < 0.5);
    else if (random() < 0.7) {
      const row = rows.find(bytesOf(path), 0, bytesOf(path).byteLength);
      if (row !== nowhere) rows.remove();
      t.is(row === nowhere ? undefined : rows.textOf(row), expected.get(path));
      if (row !== nowhere) rows.free(row);
      expected.delete(path);
    } else {
      const row = rows.find(bytesOf(path), 0, bytesOf(path).byteLength);
      t.is(row === nowhere ? undefined : rows.textOf(row), expected.get(path));
    }
    if (step % 500 === 0) {
      rows.tidy();
      roomMax = Math.max(roomMax, rows.room());
    }
  }
  t.is(rows.count(), expected.size);
  t.true(roomMax < 1_000_000, `${roomMax} bytes for some 1,500 rows`);
  const beneath = rows
    .beneath(viewOf(Buffer.from('"b/1')), 0, 4)
    .map(rows.textOf)
    .sort();
  t.deepEqual(beneath, [...expected].flatMap(([path, text]) => (path.startsWith('b/1') ? [text] : [])).sort());
  const lots = [...rows.lots(100)];
  t.true(lots.length > 8);
  t.deepEqual(
    lots.flatMap(({ texts }) => texts),
    [...expected.values()].sort(),
  );
  const sizes = [...expected.values()].map((text) => (JSON.parse(`[${text}]`) as number[])[3] as number);
  t.deepEqual(
    lots.reduce((sum, { totals }) => ({ files: sum.files + totals.files, bytes: sum.bytes + totals.bytes }), {
      files: 0,
      bytes: 0,
    }),
    { files: expected.size, bytes: sizes.reduce((sum, size) => sum + size, 0) },
  );
});

test('the room of rows that are gone is given back, though no other has their length', (t) => {
  const rows = createPackedRows(2 ** 15);
  const words = pack([null, 1, null, null, '2026-01-01T00:00:00.000Z']);
  const pathOf = (length: number, n: number): DataView => bytesOf(`${n}/`.padEnd(10 * length, 'x'));
  for (let length = 1; length <= 40; length++) {
    for (let n = 0; n < 1_000; n++) {
      const path = pathOf(length, n);
      const row = rows.begin(path.byteLength, words);
      rows.addPath(path, 0, path.byteLength);
      rows.setCells(row, n, block, words);
      rows.end(row);
    }
    for (let n = 0; n < 1_000; n++) {
      const path = pathOf(length, n);
      const row = rows.find(path, 0, path.byteLength);
      rows.remove();
      rows.free(row);
    }
    rows.tidy();
    t.true(rows.room() < 1_000_000, `${rows.room()} bytes`);
  }
  t.is(rows.count(), 0);
});
