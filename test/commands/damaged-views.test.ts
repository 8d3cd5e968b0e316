import { join } from 'node:path';
import test from 'ava';
import { openDatabase } from '../../src/storage/database.ts';
import { runCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';

test('projections that somebody changed end an ingest with what is wrong; after a replay nothing is missing', async (t) => {
  const DATA_DIR = await freshFolder();
  const event = (n: number): string =>
    JSON.stringify({ id: `${n}`, type: 'create', time: '2030-01-01T00:00:00Z', path: `f${n}`, size: n });
  t.is((await runCli(['ingest', '-'], { DATA_DIR }, event(1))).code, 0);
  const path = join(DATA_DIR, 'projections.db');
  const database = await openDatabase({ path, mode: 'write' });
  await database.exec('ALTER TABLE file RENAME COLUMN etag TO other');
  await database.close();

  const { code, stderr } = await runCli(['ingest', '-'], { DATA_DIR, LOG_LEVEL: 'error' }, event(2));
  t.is(code, 1);
  t.regex(stderr, /projections\.db does not take a statement: .*no (such )?column.* \(SQLITE_ERROR\)/);
  t.is((await runCli(['replay'], { DATA_DIR })).code, 0);
  const { stdout } = await runCli(['ingest', '--json', '-'], { DATA_DIR }, event(2));
  t.like(JSON.parse(stdout), { duplicates: 1, files: 2 });
});
