import test from 'ava';
import { createPackedRows } from '../../projections/packed-rows.ts';
import { nowhere } from '../../projections/path-index.ts';
import { columns } from '../../projections/rows.ts';
import { randomOf, seedOf } from '../support/seed.ts';

const viewOf = ({ buffer, byteOffset, length }: Buffer): DataView => new DataView(buffer, byteOffset, length);
const bytesOf = (value: string | number | null): DataView => viewOf(Buffer.from(JSON.stringify(value)));

test('it holds what a Map would, through growth, removals and tidying', (t) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  // The smallest chunk: some 700 rows.
  const rows = createPackedRows(2 ** 15);
  const expected = new Map<string, string>();
  const put = (path: string, isThere: boolean): void => {
    const cells = [path, below(1_000), null, below(100), 'é"'.repeat(below(8)), '0644', null, below(1e9)];
    const found = rows.find(bytesOf(path), 0, bytesOf(path).byteLength);
    t.is(found !== nowhere, expected.has(path));
    rows.begin();
    for (const cell of cells) rows.add(bytesOf(cell), 0, bytesOf(cell).byteLength);
    if (isThere) rows.endThere();
    else rows.end();
    expected.set(path, JSON.stringify(cells).slice(1, -1));
  };
  const textOf = (row: number): string =>
    Buffer.from(rows.bytesOf(row).buffer).toString('utf8', rows.fromOf(row, 0), rows.toOf(row, columns.length - 1));
  let roomMax = 0;
  for (let step = 0; step < 60_000; step++) {
    const path = `${'abc'[below(3)]}/${below(1_000)}`;
    if (random() < 0.6) put(path, random() < 0.5);
    else if (random() < 0.7) {
      const row = rows.take(bytesOf(path), 0, bytesOf(path).byteLength);
      t.is(row === nowhere ? undefined : textOf(row), expected.get(path));
      expected.delete(path);
    } else {
      const row = rows.find(bytesOf(path), 0, bytesOf(path).byteLength);
      t.is(row === nowhere ? undefined : textOf(row), expected.get(path));
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
    .map(textOf)
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
