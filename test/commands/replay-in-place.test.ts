import { copyFile, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { openDatabase } from '../../src/storage/database.ts';
import { runCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const events = [1, 2, 3]
  .map((at) =>
    JSON.stringify({ id: `e${at}`, type: 'create', time: '2026-01-01T00:00:00Z', path: `files/${at}`, size: at }),
  )
  .join('\n');

/** A data folder with three events in its log, and projections of them. */
const folderWithLog = async (): Promise<{ folder: string; env: { DATA_DIR: string } }> => {
  const folder = await freshFolder();
  const env = { DATA_DIR: folder };
  const { code, stderr } = await runCli(['ingest', '-'], env, events);
  if (code !== 0) throw new Error(stderr);
  return { folder, env };
};

test('no command takes one file for log and projections, whatever names lead to it', async (t) => {
  const { folder, env } = await folderWithLog();
  const log = join(folder, 'events.db');
  await symlink('events.db', join(folder, 'link.db'));
  for (const paths of [
    { EVENT_LOG_PATH: log, DATABASE_PATH: log },
    { DATABASE_PATH: join(folder, 'link.db') },
    { EVENT_LOG_PATH: join(folder, 'link.db'), DATABASE_PATH: log },
    { EVENT_LOG_PATH: join(folder, 'link.db'), DATABASE_PATH: join(folder, 'link.db') },
  ]) {
    for (const [command, input] of [
      [['replay'], ''],
      [['ingest', '-'], events],
    ] as const) {
      const { code, stdout, stderr } = await runCli(command, { ...env, ...paths }, input);
      t.deepEqual([code, stdout], [2, ''], stderr);
      t.regex(stderr, /EVENT_LOG_PATH and DATABASE_PATH lead to one file, .*events\.db: name another file/);
    }
  }
  t.deepEqual(
    (await readdir(folder)).filter((name) => name.endsWith('.rebuild')),
    [],
  );
  const printed = await runCli(['replay', '--print'], env);
  t.is(printed.stdout.trim().split('\n').length, 3, printed.stderr);
  await removeFolder(folder);
});

test('a replay replaces views and what is damaged, and no database of somebody else’s', async (t) => {
  const { folder, env } = await folderWithLog();
  const path = join(folder, 'theirs.db');
  const theirs = await openDatabase({ path, mode: 'write' });
  await theirs.exec(`CREATE TABLE invoice (number); INSERT INTO invoice VALUES (7)`);
  await theirs.close();
  const refused = await runCli(['replay'], { ...env, DATABASE_PATH: path });
  t.is(refused.code, 1, refused.stdout);
  t.regex(
    refused.stderr,
    /theirs\.db holds something else than projections \(invoice\): name another file in DATABASE_P/,
  );
  const left = await openDatabase({ path, mode: 'read' });
  t.deepEqual(await left.all('SELECT number FROM invoice'), [{ number: 7 }]);
  await left.close();
  await symlink('/dev/null', join(folder, 'null.db'));
  const noFile = await runCli(['replay'], { ...env, DATABASE_PATH: join(folder, 'null.db') });
  t.is(noFile.code, 1, noFile.stdout);
  t.regex(noFile.stderr, /null\.db is no file: name another one in DATABASE_PATH/);

  const projections = join(folder, 'projections.db');
  const sound = await readFile(projections);
  for (const content of [sound, Buffer.alloc(0), Buffer.from(sound).fill(0xff, 100, 8_000), 'x'.repeat(10_000)]) {
    await writeFile(projections, content);
    const { code, stderr } = await runCli(['replay'], env);
    t.is(code, 0, stderr);
    t.like(JSON.parse((await runCli(['status', '--json'], env)).stdout), { projections: { checkpoint: 3 } });
  }
  await removeFolder(folder);
});

test('projections that were deleted without their journal are not made of what it holds', async (t) => {
  const { folder, env } = await folderWithLog();
  const projections = join(folder, 'projections.db');
  const killed = await openDatabase({ path: projections, mode: 'write' });
  await killed.exec('UPDATE file SET size = 99');
  await copyFile(`${projections}-wal`, join(folder, 'journal'));
  await killed.close();
  await rm(projections);
  await copyFile(join(folder, 'journal'), `${projections}-wal`);
  t.is((await runCli(['replay'], env)).code, 0);
  const views = await openDatabase({ path: projections, mode: 'read' });
  t.deepEqual(await views.all('SELECT size FROM file ORDER BY size'), [{ size: 1 }, { size: 2 }, { size: 3 }]);
  await views.close();
  await removeFolder(folder);
});
