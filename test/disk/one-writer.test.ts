import { mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { loadConfig } from '../../src/config/config.ts';
import { lockForWriting } from '../../src/data-folder/lock.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const line = (at: number): string =>
  JSON.stringify({ id: `e${at}`, type: 'create', time: '2026-01-01T00:00:00Z', path: `files/${at}`, size: at });

/** An ingest that has taken in one event and waits for more, so that it goes on holding what it writes. */
const startWriter = async (env: Record<string, string>, log: string) => {
  const { child, finished } = startCli(['ingest', '-'], env);
  child.stdin?.write(`${line(1)}\n`);
  for (let look = 0; look < 400; look += 1) {
    const rows = await openDatabase({ path: log, mode: 'read' })
      .then(async (database) => {
        const [{ n } = { n: 0 }] = await database.all<{ n: number }>('SELECT count(*) AS n FROM event');
        await database.close();
        return n;
      })
      .catch(() => 0);
    if (rows > 0) break;
    await sleep(25);
  }
  return { child, finished };
};

test('a log has one writer, whatever data folder it is written from and whatever links lead to it', async (t) => {
  const folder = await freshFolder();
  const log = join(folder, 'logs/log.db');
  await mkdir(join(folder, 'logs'));
  await symlink(join(folder, 'logs'), join(folder, 'linked'));
  // It leads to a file that is only made later, through it.
  await symlink('logs/log.db', join(folder, 'link.db'));
  const first = { DATA_DIR: join(folder, 'a'), EVENT_LOG_PATH: join(folder, 'link.db') };
  const { child, finished } = await startWriter(first, log);
  for (const path of [log, join(folder, 'linked/log.db'), join(folder, 'link.db')]) {
    const second = { DATA_DIR: join(folder, 'b'), EVENT_LOG_PATH: path };
    const { code, stderr } = await runCli(['ingest', '-'], second, line(1));
    t.is(code, 1, path);
    t.true(stderr.includes(`${path} is in use by 's3-sync ingest' (pid ${child.pid}, since `), stderr);
    t.regex(stderr, /stop it first, or name another file in EVENT_LOG_PATH/);
    t.is((await runCli(['status'], second)).code, 0, 'reading goes on beside the writer');
    t.is((await runCli(['replay'], second)).code, 0, 'and views of one’s own are folded');
  }
  child.kill('SIGKILL');
  await finished;
  const after = await runCli(['ingest', '-', '--json'], { DATA_DIR: join(folder, 'b'), EVENT_LOG_PATH: log }, line(1));
  t.is(after.code, 0, after.stderr);
  t.like(JSON.parse(after.stdout), { appended: 0, duplicates: 1, offset: 1 });
  await removeFolder(folder);
});

test('of many that write one log at once, from data folders of their own, each event is recorded once', async (t) => {
  const folder = await freshFolder();
  const lines = Array.from({ length: 3_000 }, (_, at) => line(at)).join('\n');
  const runs = await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      runCli(['ingest', '-'], { DATA_DIR: join(folder, name), EVENT_LOG_PATH: join(folder, 'log.db') }, lines),
    ),
  );
  t.true(runs.some(({ code }) => code === 0));
  const database = await openDatabase({ path: join(folder, 'log.db'), mode: 'read' });
  t.deepEqual(await database.get('SELECT count(*) AS rows, count(DISTINCT id) AS ids FROM event'), {
    rows: 3_000,
    ids: 3_000,
  });
  await database.close();
  await removeFolder(folder);
});

test('the log in another’s data folder, and projections that two would share, are in use as well', async (t) => {
  const folder = await freshFolder();
  const a = join(folder, 'a');
  const { child, finished } = await startWriter({ DATA_DIR: a }, join(a, 'events.db'));
  for (const [setting, name] of [
    ['EVENT_LOG_PATH', 'events.db'],
    ['DATABASE_PATH', 'projections.db'],
  ] as const) {
    const env = { DATA_DIR: join(folder, 'b'), [setting]: join(a, name) };
    const { code, stderr } = await runCli(['ingest', '-'], env, line(2));
    t.is(code, 1, setting);
    t.regex(stderr, new RegExp(`${name} is in use by 's3-sync ingest'.* name another file in ${setting}`));
  }
  t.is((await runCli(['replay'], { DATA_DIR: join(folder, 'b'), EVENT_LOG_PATH: join(a, 'events.db') })).code, 0);
  const shared = { DATA_DIR: join(folder, 'b'), DATABASE_PATH: join(a, 'projections.db') };
  t.regex((await runCli(['replay'], { ...shared, EVENT_LOG_PATH: join(a, 'events.db') })).stderr, /is in use by/);
  child.stdin?.end();
  t.is((await finished).code, 0);
  await removeFolder(folder);
});

test('a daemon of another data folder that writes the log is named, and nothing is handed over to it', async (t) => {
  const folder = await freshFolder();
  const log = join(folder, 'log.db');
  const { paths } = loadConfig({ DATA_DIR: join(folder, 'a'), EVENT_LOG_PATH: log });
  const lock = await lockForWriting(paths, ['log', 'projections'], 'daemon');
  const env = {
    DATA_DIR: join(folder, 'b'),
    EVENT_LOG_PATH: log,
    CUSTOMER_S3_BUCKET: 'none',
    FILE_MANAGER_API_URL: 'http://127.0.0.1:9',
  };
  const { code, stderr } = await runCli(['plan'], env);
  t.is(code, 1);
  t.regex(stderr, /log\.db is in use by 's3-sync daemon'/);
  t.notRegex(stderr, /handed over/);
  await lock.release();
  await removeFolder(folder);
});

test('a link that leads nowhere, or in a circle, is named', async (t) => {
  const folder = await freshFolder();
  await symlink('circle.db', join(folder, 'circle.db'));
  await symlink('none/log.db', join(folder, 'nowhere.db'));
  for (const [name, expected] of [
    ['circle.db', /cannot open .*circle\.db: check/],
    ['nowhere.db', /cannot open .*none\/log\.db: check that the folder exists/],
  ] as const) {
    const env = { DATA_DIR: join(folder, 'data'), EVENT_LOG_PATH: join(folder, name) };
    const { code, stderr } = await runCli(['ingest', '-'], env, line(1));
    t.is(code, 1);
    t.regex(stderr, expected);
  }
  await removeFolder(folder);
});

test('a relative link in a linked folder leads on from where that folder really lies', async (t) => {
  const folder = await freshFolder();
  await mkdir(join(folder, 'real/sub'), { recursive: true });
  await mkdir(join(folder, 'real/deep'));
  await symlink('real/sub', join(folder, 'linked'));
  await symlink('../deep/events.db', join(folder, 'real/sub/events.db'));
  const env = { DATA_DIR: join(folder, 'data'), EVENT_LOG_PATH: join(folder, 'linked/events.db') };
  const { code, stderr } = await runCli(['ingest', '-'], env, line(1));
  t.is(code, 0, stderr);
  t.deepEqual((await readdir(join(folder, 'real/deep'))).sort(), [
    'events.db',
    'events.db.writer.json',
    'events.db.writer.lock',
  ]);
  await removeFolder(folder);
});

test('projections behind a link are folded anew where they lie, and the link stays', async (t) => {
  const folder = await freshFolder();
  const env = { DATA_DIR: join(folder, 'a'), DATABASE_PATH: join(folder, 'link.db') };
  await mkdir(join(folder, 'views'));
  await symlink('views/real.db', join(folder, 'link.db'));
  t.is((await runCli(['ingest', '-'], env, line(1))).code, 0);
  await rm(join(folder, 'views/real.db'));
  t.is((await runCli(['replay'], env)).code, 0);
  const database = await openDatabase({ path: join(folder, 'views/real.db'), mode: 'read' });
  t.like(await database.get('SELECT count(*) AS files FROM file'), { files: 1 });
  await database.close();
  await removeFolder(folder);
});
