import { createHash } from 'node:crypto';
import { join } from 'node:path';
import test from 'ava';
import { stringify } from 'csv/sync';
import { columns, type FileRow } from '../../projections/rows.ts';
import { projectionsSchema } from '../../projections/schema.ts';
import { type ExportOptions, type Manifest, writeSnapshot } from '../../src/snapshot/export.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { freshFolder } from '../support/folder.ts';

/** Rows in path order; every so often one that needs quotes. */
const rowsOf = (count: number): FileRow[] =>
  Array.from({ length: count }, (_, at) => ({
    path: `f/${String(at).padStart(6, '0')}${at % 3_001 === 3_000 ? ',"quoted"\n' : ''}`,
    file_id: at + 1,
    key: at % 7 === 0 ? `key ${at}` : null,
    size: at % 11 === 0 ? null : at * 1_000_003,
    etag: `e${at}`,
    permissions: at % 5 === 0 ? '0644' : null,
    modified_at: '2026-01-01T00:00:00Z',
    offset: at + 1,
  }));

/** The slow obvious way. */
const textOf = (rows: readonly FileRow[]): string =>
  stringify(
    rows.map((row) => columns.map((name) => row[name])),
    { header: true, columns: [...columns] },
  );

const written = async (rows: readonly FileRow[], options: Partial<ExportOptions> = {}) => {
  const path = join(await freshFolder(), 'projections.db');
  const writer = await openDatabase({ path, mode: 'write' });
  await writer.exec(projectionsSchema);
  await writer.run(`INSERT INTO file SELECT ${columns.map((_, at) => `value->>${at}`).join(', ')} FROM json_each(?)`, [
    JSON.stringify(rows.map((row) => columns.map((name) => row[name]))),
  ]);
  await writer.run(`INSERT INTO dirty SELECT path FROM file WHERE file_id % 2 UNION SELECT 'f/not in the table'`);
  const reader = await openDatabase({ path, mode: 'read' });
  const parts: Buffer[] = [];
  const manifest: Manifest = await writeSnapshot(
    reader,
    { table: 'file', offset: 7, ...options },
    async (part) => void parts.push(part),
  );
  for (const database of [reader, writer]) await database.close();
  return { manifest, text: Buffer.concat(parts).toString() };
};

// None, one, just under and over a page, whole pages, and several pages.
for (const count of [0, 1, 3_499, 3_500, 3_501, 7_000, 12_345]) {
  test(`${count} rows are exported as the table, row by row`, async (t) => {
    const rows = rowsOf(count);
    const { manifest, text } = await written(rows);
    t.true(text === textOf(rows));
    t.deepEqual(manifest, {
      format: 1,
      projection: 'file',
      offset: 7,
      rows: count,
      bytes: Buffer.byteLength(text),
      sha256: createHash('sha256').update(text).digest('hex'),
    });
  });
}

test('an export of what differs holds those rows alone, over pages', async (t) => {
  const rows = rowsOf(12_000);
  const { text } = await written(rows, { only: 'dirty' });
  t.true(text === textOf(rows.filter(({ file_id }) => file_id % 2 === 1)));
});
