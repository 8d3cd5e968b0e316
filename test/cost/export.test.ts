import { join } from 'node:path';
import test from 'ava';
import { columns } from '../../projections/rows.ts';
import { projectionsSchema } from '../../projections/schema.ts';
import { writeSnapshot } from '../../src/snapshot/export.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { freshFolder } from '../support/folder.ts';
import { statementsOf } from './statements.ts';

const costOf = async (files: number, pathOf: (at: number) => string): Promise<number> => {
  const database = await openDatabase({ path: join(await freshFolder(), 'projections.db'), mode: 'write' });
  await database.exec(projectionsSchema);
  const rows = Array.from({ length: files }, (_, at) =>
    JSON.stringify([pathOf(at), at, null, 1, 'etag', null, '2026-01-01T00:00:00Z', at]).slice(1, -1),
  );
  await database.insert({ into: 'file', columns, rows });
  const statements = await statementsOf(() =>
    writeSnapshot(database, { table: 'file', offset: files }, async () => undefined),
  );
  await database.close();
  return statements;
};

test.serial('an export is one statement for each 3,500 rows, and one more where a field needs quotes', async (t) => {
  const name = (at: number): string => `files/${String(at).padStart(6, '0')}`;
  // The last one finds nothing.
  t.is(await costOf(3_000, name), 1 + 1);
  t.is(await costOf(31_000, name), 9 + 1);
  t.is(await costOf(31_000, (at) => (at === 12_345 ? `${name(at)}, copy` : name(at))), 9 + 1 + 1);
});
