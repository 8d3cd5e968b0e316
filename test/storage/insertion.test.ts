import { join } from 'node:path';
import test from 'ava';
import { openDatabase } from '../../src/storage/database.ts';
import { freshFolder } from '../support/folder.ts';
import { randomOf, seedOf } from '../support/seed.ts';

const fresh = async (): Promise<string> => join(await freshFolder(), 'a.db');

const table = 'CREATE TABLE fact (name TEXT NOT NULL PRIMARY KEY, "to" TEXT, size INTEGER) WITHOUT ROWID';
const columns = ['name', 'to', 'size'];
type Cells = readonly [name: string, to: string | null, size: number | null];
const rowOf = (cells: Cells): string => JSON.stringify(cells).slice(1, -1);

/** What could end a text early, be taken for something else than text, or be lost on the way. */
const pieces = [
  "'",
  "''",
  '"',
  '\\',
  '),(',
  '--',
  ';',
  '/*',
  '[',
  ']',
  ',',
  '\n',
  '\r',
  '\0',
  '\u001f',
  '\u2028',
  'é',
  '😀',
].concat(['\ud800', 'NULL', '1e400', '0x10', '?', ':a', '$b', "'); DROP TABLE fact; --", ' ', '%', 'x', '\u0301']);

test('any text and any number comes out of the database as it was inserted', async (t) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const text = (): string => Array.from({ length: Math.floor(random() * 6) }, () => pick(pieces)).join('');
  const sizes = [null, 0, -1, 2 ** 31, 2 ** 53 - 1, 1e20, 1.5, 1e300, 5e-324];
  const rows = Array.from(
    { length: 3_000 },
    (_, at): Cells => [`${at} ${text()}`, random() < 0.2 ? null : text(), pick(sizes)],
  );
  const [ours, oracle] = [
    await openDatabase({ path: await fresh(), mode: 'write' }),
    await openDatabase({ path: await fresh(), mode: 'write' }),
  ];
  await ours.exec(table);
  await oracle.exec(table);
  await ours.insert({ into: 'fact', columns, rows: rows.map(rowOf) });
  for (const row of rows)
    await oracle.run(`INSERT INTO fact SELECT value->>0, value->>1, value->>2 FROM json_each(?)`, [
      JSON.stringify([row]),
    ]);
  const all = 'SELECT hex(name) AS name, hex("to") AS "to", "to" IS NULL AS none, typeof(size) AS type, size FROM fact';
  t.deepEqual(await ours.all(all), await oracle.all(all));
  await ours.close();
  await oracle.close();
});

test('a row whose key is there already is an error, or takes the place of the other one', async (t) => {
  const database = await openDatabase({ path: await fresh(), mode: 'write' });
  await database.exec(table);
  const rows = [rowOf(['a', 'old', 1]), rowOf(['b\n', 'old', 1])];
  await database.insert({ into: 'fact', columns, rows });
  await t.throwsAsync(database.insert({ into: 'fact', columns, rows }), { message: /UNIQUE constraint failed/ });
  await database.insert({ into: 'fact', columns, rows: rows.map((row) => row.replace('old', 'new')), replacing: true });
  t.deepEqual(await database.all('SELECT "to" FROM fact'), [{ to: 'new' }, { to: 'new' }]);
  await database.close();
});

test('columns that are not named stay empty, and no rows are no statement', async (t) => {
  const database = await openDatabase({ path: await fresh(), mode: 'write' });
  await database.exec(table);
  await database.insert({ into: 'fact', columns, rows: [] });
  await database.insert({ into: 'fact', columns: ['name'], rows: ['"a"'] });
  t.deepEqual(await database.all('SELECT * FROM fact'), [{ name: 'a', to: null, size: null }]);
  await database.close();
});
