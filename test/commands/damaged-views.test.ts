import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { openDatabase } from '../../src/storage/database.ts';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';
import { createWorld } from '../support/world.ts';

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

test('projections that are no database end what reads, and are built anew, with a word in the log, by what writes', async (t) => {
  const DATA_DIR = await freshFolder();
  const event = '{"id":"1","type":"create","time":"2026-01-01T00:00:00Z","path":"a","size":1}';
  const first = await runCli(['ingest', '-'], { DATA_DIR }, event);
  t.deepEqual([first.code, first.stderr], [0, ''], 'nothing is dropped where nothing was');
  await writeFile(join(DATA_DIR, 'projections.db'), 'x'.repeat(10_000));
  for (const command of ['status', 'snapshot']) {
    const { code, stderr } = await runCli([command], { DATA_DIR });
    t.is(code, 1);
    t.regex(stderr, /projections\.db is no SQLite database/);
  }
  const { code, stdout, stderr } = await runCli(['ingest', '--json', '-'], { DATA_DIR }, event);
  t.is(code, 0, stderr);
  t.like(JSON.parse(stdout), { duplicates: 1, files: 1 });
  const said = JSON.parse(stderr) as { level: number; reason: string; msg: string };
  t.regex(said.reason, /projections\.db is no SQLite database/);
  t.is(said.msg, 'projections are dropped, and built anew from the log');
});

test('where there are no projections, as after a restore, what compares with them says how they are built', async (t) => {
  const DATA_DIR = await freshFolder();
  const environment = { DATA_DIR, CUSTOMER_S3_BUCKET: 'b', FILE_MANAGER_API_URL: 'http://127.0.0.1:9' };
  t.is((await runCli(['ingest', '-'], environment)).code, 0);
  await rm(join(DATA_DIR, 'projections.db'));
  const { code, stderr } = await runCli(['verify'], environment);
  t.is(code, 1);
  t.regex(stderr, /no projections of this log yet: 's3-sync replay' builds them/);
  t.is((await runCli(['snapshot'], environment)).code, 0, 'a snapshot is folded from the log');
});

test('a daemon whose projections were changed ends with what is wrong, also while no events come', async (t) => {
  const world = await createWorld();
  try {
    await world.put('a', 'content');
    await world.cycle();
    await world.workspace().projector.database.exec('ALTER TABLE mirror RENAME COLUMN etag TO other');
    await world.release();
    const { child, finished } = startCli(['daemon', '--interval', '1'], {
      DATA_DIR: world.config.paths.data,
      CUSTOMER_S3_ENDPOINT: world.s3.url,
      CUSTOMER_S3_ACCESS_KEY: world.access.accessKey,
      CUSTOMER_S3_SECRET_KEY: world.access.secretKey,
      CUSTOMER_S3_BUCKET: world.access.bucket,
      FILE_MANAGER_API_URL: world.server.url,
    });
    // Only a daemon that goes on for ever is ended here.
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
    const { code, stderr } = await finished;
    clearTimeout(timer);
    t.is(code, 1, stderr);
    t.regex(
      stderr,
      /s3-sync daemon: .*projections\.db does not take a statement: .*'s3-sync replay' builds projections/,
    );
  } finally {
    await world.close();
  }
});
