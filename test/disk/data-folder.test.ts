import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { openDatabase } from '../../src/storage/database.ts';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { createWorld } from '../support/world.ts';

const eventLines = (count: number, from = 1): string =>
  Array.from({ length: count }, (_, at) =>
    JSON.stringify({
      id: `e${from + at}`,
      type: 'create',
      time: '2026-01-01T00:00:00Z',
      path: `files/number-${from + at}`,
      size: 1,
      etag: 'e',
    }),
  ).join('\n');

/** A data folder with some events in its log. */
const folderWith = async (events: number): Promise<{ folder: string; env: Record<string, string> }> => {
  const folder = await freshFolder();
  const env = { DATA_DIR: folder };
  const { code, stderr } = await runCli(['ingest', '-'], env, eventLines(events));
  if (code !== 0) throw new Error(stderr);
  return { folder, env };
};

test('a byte of the log that was flipped on the disk is found at the start, with its offset and what can be done', async (t) => {
  const { folder, env } = await folderWith(60);
  const path = join(folder, 'events.db');
  const bytes = await readFile(path);
  // Pages that were split leave old copies behind: only one of these is the row.
  for (let at = bytes.indexOf('files/number-37'); at >= 0; at = bytes.indexOf('files/number-37', at + 1))
    bytes[at + 13] = (bytes[at + 13] as number) ^ 1;
  await writeFile(path, bytes);
  // The last one would go on for ever, were the damage not found.
  for (const command of [
    ['ingest', '-'],
    ['quarantine', 'retry', '--all'],
    ['subscribe', '--source', 'http'],
  ]) {
    const { code, stderr } = await runCli(
      command,
      {
        ...env,
        CUSTOMER_S3_BUCKET: 'none',
        FILE_MANAGER_API_URL: 'http://127.0.0.1:9',
        HTTP_PORT: '0',
        HTTP_TOKEN: 'x',
      },
      eventLines(1, 100),
    );
    t.is(code, 1, command.join(' '));
    t.regex(stderr, /damaged at offset 37: .*restore the file from a backup.*replay --to 36 --into FILE/i);
    t.regex(stderr, /delete it, its -wal and -shm files and the projections first/);
  }
  t.is((await runCli(['status', '--json'], env)).code, 0, 'the status can still be read');
  const before = await runCli(['replay', '--to', '36', '--into', join(folder, 'before.db')], env);
  t.is(before.code, 0, before.stderr);
  t.regex(before.stdout, /up to offset 36/);
  t.is((await runCli(['replay'], env)).code, 1);
  await removeFolder(folder);
});

test('deleted, older and foreign projections are built from the log again', async (t) => {
  const { folder, env } = await folderWith(20);
  const projections = join(folder, 'projections.db');
  const snapshot = async (): Promise<string> => (await runCli(['snapshot'], env)).stdout;
  const older = join(folder, 'older.db');
  await copyFile(projections, older);
  await runCli(['ingest', '-'], env, eventLines(20, 21));
  const wanted = await snapshot();
  t.is(wanted.trim().split('\n').length, 41);
  const other = await folderWith(5);
  const states: [string, () => Promise<void>][] = [
    ['deleted', () => rm(projections)],
    ['older', () => copyFile(older, projections)],
    ['of another log', () => copyFile(join(other.folder, 'projections.db'), projections)],
    ['no database', () => writeFile(projections, 'x'.repeat(10_000))],
  ];
  for (const [title, spoil] of states) {
    for (const suffix of ['-wal', '-shm']) await rm(projections + suffix, { force: true });
    await spoil();
    const { code, stderr } = await runCli(['ingest', '-'], env, eventLines(1));
    t.is(code, 0, `${title}: ${stderr}`);
    t.is(await snapshot(), wanted, title);
  }
  await removeFolder(folder);
  await removeFolder(other.folder);
});

test('a data folder from a newer version is refused by every command, and left as it was', async (t) => {
  const { folder, env } = await folderWith(3);
  const database = await openDatabase({ path: join(folder, 'events.db'), mode: 'write' });
  await database.exec(`UPDATE meta SET value = '99' WHERE name = 'version'; PRAGMA wal_checkpoint(TRUNCATE)`);
  await database.close();
  const before = await readFile(join(folder, 'events.db'));
  for (const command of [['ingest', '-'], ['status'], ['replay'], ['snapshot']]) {
    const { code, stderr } = await runCli(command, env, eventLines(1, 50));
    t.is(code, 1, command.join(' '));
    t.regex(stderr, /newer version of the service \(format 99, this one knows 2\): upgrade, or name another folder/);
  }
  t.deepEqual(await readFile(join(folder, 'events.db')), before);
  await removeFolder(folder);
});

test('after the clock was set back, cycles still follow each other, and the newest is the one that is kept and shown', async (t) => {
  const world = await createWorld();
  try {
    const cycles = join(world.config.paths.data, 'cycles');
    await mkdir(join(cycles, '2099-12-31T23-59-59-999Z'), { recursive: true });
    await writeFile(join(cycles, '2099-12-31T23-59-59-999Z', 'report.json'), '{"status":"from the future"}');
    await world.put('a', 'content');
    const first = await world.cycle({ cyclesKept: 2 });
    t.is(first.report.cycle, '2100-01-01T00-00-00-000Z');
    t.true(first.report.duration_ms >= 0);
    const second = await world.cycle({ cyclesKept: 1 });
    t.deepEqual(await readdir(cycles), [second.report.cycle]);
    t.true(second.report.cycle > first.report.cycle);
    t.true(existsSync(join(second.folder, 'report.json')));
    await world.release();
    const status = JSON.parse((await runCli(['status', '--json'], { DATA_DIR: world.config.paths.data })).stdout) as {
      last_cycle: { cycle: string };
    };
    t.is(status.last_cycle.cycle, second.report.cycle);
  } finally {
    await world.close();
  }
});

const testOnLinux = process.platform === 'linux' ? test : test.skip; // elsewhere there is no /proc, where nobody can make a folder

testOnLinux('a folder where the system makes none is refused at once, and named', async (t) => {
  const commands = [
    { args: ['ingest', '-'], env: { DATA_DIR: '/proc/no-such/data' } },
    { args: ['file-manager', '--root', '/proc/no-such/data', '--port', '0'], env: { FILE_MANAGER_TOKEN: 'token' } },
  ];
  for (const { args, env } of commands) {
    const { child, finished } = startCli(args, env);
    child.stdin?.end();
    // Only a command that spins for ever is ended here.
    const guard = setTimeout(() => child.kill('SIGKILL'), 30_000);
    const { code, stderr } = await finished;
    clearTimeout(guard);
    t.true(typeof code === 'number' && code > 0, `${args[0]} ended with ${code}`);
    t.regex(stderr, /cannot create \/proc\/no-such\/data: \/proc takes no folders; choose another place/);
  }
});
