import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { openDatabase, type SqlValue } from '../../src/storage/database.ts';

const fresh = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 's3-sync-storage-')), 'a.db');

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
