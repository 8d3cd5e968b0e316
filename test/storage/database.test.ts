import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { openDatabase, type SqlValue } from '../../src/storage/database.ts';
import { freshFolder } from '../support/folder.ts';

const fresh = async (): Promise<string> => join(await freshFolder(), 'a.db');

test('a call made while a transaction is open waits for it, and survives its rollback', async (t) => {
  const database = await openDatabase({ path: await fresh(), mode: 'write' });
  await database.exec('CREATE TABLE fact (name TEXT PRIMARY KEY)');
  const failing = database.transaction(async (queries) => {
    await queries.run('INSERT INTO fact VALUES (?)', ['inside']);
    await new Promise((resolve) => setTimeout(resolve, 20));
    throw new Error('changed my mind');
  });
  const beside = database.run('INSERT INTO fact VALUES (?)', ['beside']);
  await t.throwsAsync(failing, { message: 'changed my mind' });
  await beside;
  t.deepEqual(await database.all('SELECT name FROM fact'), [{ name: 'beside' }]);
  await database.close();
});

test('values that the driver would bind as something else are refused', async (t) => {
  const database = await openDatabase({ path: await fresh(), mode: 'write' });
  for (const value of [undefined, 1n, Number.NaN] as unknown as SqlValue[]) {
    await t.throwsAsync(async () => database.get('SELECT ?', [value]), { instanceOf: TypeError });
  }
  await database.close();
});

test('integers above int32 stay integers when they pass through json_each', async (t) => {
  const database = await openDatabase({ path: await fresh(), mode: 'write' });
  const row = await database.get('SELECT typeof(value->>0) AS type, value->>0 AS value FROM json_each(?)', [
    JSON.stringify([[5_000_000_000]]),
  ]);
  t.deepEqual(row, { type: 'integer', value: 5_000_000_000 });
  await database.close();
});

test('a file that is no database is named, with what to do', async (t) => {
  const path = await fresh();
  await writeFile(path, 'this is a text file, long enough to be taken for something else entirely '.repeat(20));
  await t.throwsAsync(openDatabase({ path, mode: 'write' }), { message: new RegExp(`${path} is no SQLite database`) });
  await t.throwsAsync(openDatabase({ path, mode: 'read' }), { message: new RegExp(`${path} is no SQLite database`) });
});

test('a statement that failed is not under way any more when the transaction ends', async (t) => {
  const path = await fresh();
  const other = await openDatabase({ path, mode: 'write' });
  await other.exec('CREATE TABLE fact (name TEXT PRIMARY KEY)');
  const database = await openDatabase({ path, mode: 'write', busyTimeoutMs: 1 });
  const insert = (queries: Pick<typeof database, 'run'>, name: string) =>
    queries.run('INSERT INTO fact VALUES (?)', [name]);
  await insert(database, 'before');
  await database.reading(async (queries) => {
    await other.transaction(() => t.throwsAsync(insert(queries, 'locked out'), { message: /is locked by another/ }));
  });
  await t.throwsAsync(insert(database, 'before'), { message: /UNIQUE constraint failed/ });
  await insert(database, 'after');
  t.deepEqual(await database.all('SELECT name FROM fact'), [{ name: 'before' }, { name: 'after' }]);
  await database.close();
  await other.close();
});

test('a read leaves nothing open that a writer would wait for', async (t) => {
  const path = await fresh();
  const database = await openDatabase({ path, mode: 'write' });
  await database.exec('CREATE TABLE fact (name TEXT); INSERT INTO fact VALUES (1), (2);');
  const reader = await openDatabase({ path, mode: 'read' });
  t.deepEqual(await reader.get('SELECT name FROM fact'), { name: '1' });
  const [checkpoint] = await database.all<{ busy: number }>('PRAGMA wal_checkpoint(TRUNCATE)');
  t.is(checkpoint?.busy, 0);
  await database.close();
  await reader.close();
});

test('more statements than are kept, at once and again, after a change of the tables', async (t) => {
  const database = await openDatabase({ path: await fresh(), mode: 'write' });
  await database.exec('CREATE TABLE fact (name TEXT)');
  const all = () =>
    database.reading((queries) =>
      Promise.all(Array.from({ length: 300 }, (_, n) => queries.all(`SELECT ${n % 150} AS n, * FROM fact`))),
    );
  await database.exec("INSERT INTO fact VALUES ('a')");
  t.deepEqual(
    await all(),
    Array.from({ length: 300 }, (_, n) => [{ n: n % 150, name: 'a' }]),
  );
  await database.exec("ALTER TABLE fact ADD COLUMN size DEFAULT 1; INSERT INTO fact VALUES ('b', 2);");
  t.deepEqual((await all())[299], [
    { n: 149, name: 'a', size: 1 },
    { n: 149, name: 'b', size: 2 },
  ]);
  await database.close();
});
