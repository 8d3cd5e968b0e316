import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { FatalError } from '../../src/errors.ts';
import { publishFile } from '../../src/snapshot/publish.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { runCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const entry = join(import.meta.dirname, '../../src/cli.ts');

const eventLines = (count: number): string =>
  Array.from({ length: count }, (_, at) =>
    JSON.stringify({ id: `e${at}`, type: 'create', time: '2026-01-01T00:00:00Z', path: `files/${at}`, size: 1 }),
  ).join('\n');

/** Runs a command under limits of the shell (`ulimit`). */
const runLimited = async (limit: string, args: readonly string[], env: Record<string, string>, input: string) => {
  const child = spawn('sh', ['-c', `ulimit ${limit}; exec "$0" "$@"`, process.execPath, entry, ...args], {
    env: { PATH: process.env.PATH ?? '', LOG_LEVEL: 'warn', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined).end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { stdout, stderr, code: code as number | null };
};

/** The kernel's own devices for it, behind links: every write to one is ENOSPC, every read of the other EIO. */
const devices = async (folder: string): Promise<{ full: string; failing: string }> => {
  const [full, failing] = [join(folder, 'full.db'), join(folder, 'failing.db')];
  await symlink('/dev/full', full);
  await symlink('/proc/self/mem', failing);
  return { full, failing };
};

test('a disk that is full, fails, or has a file in the way is said with the file and what to do', async (t) => {
  const folder = await freshFolder();
  await writeFile(join(folder, 'file'), '');
  const { full, failing } = await devices(folder);
  const cases: [env: Record<string, string>, stderr: RegExp][] = [
    [{ DATA_DIR: join(folder, 'a'), EVENT_LOG_PATH: full }, /no space left for .*full.db: free disk space/],
    [{ DATA_DIR: join(folder, 'b'), EVENT_LOG_PATH: failing }, /the disk failed while using .*failing.db/],
    [{ DATA_DIR: join(folder, 'file') }, /cannot write .*file: a file stands where a folder must be/],
    [{ DATA_DIR: join(folder, 'file/below') }, /cannot write .*below: a file stands where a folder must be/],
    [{ DATA_DIR: join(folder, 'c'), EVENT_LOG_PATH: join(folder, 'none/events.db') }, /cannot open .*events.db: check/],
  ];
  for (const [env, expected] of cases) {
    const { code, stderr } = await runCli(['ingest', '-'], env, eventLines(3));
    t.is(code, 1, stderr);
    t.regex(stderr, expected);
    t.false(/\n\s+at /.test(stderr), 'no stack');
  }
  await removeFolder(folder);
});

test('projections that cannot be written are left alone, and so is a file that is somebody else’s', async (t) => {
  const folder = await freshFolder();
  const env = { DATA_DIR: folder };
  const { full, failing } = await devices(folder);
  const other = await runCli(['ingest', '-'], { DATA_DIR: join(folder, 'other') }, eventLines(5));
  t.is(other.code, 0, other.stderr);
  for (const [path, expected] of [
    [full, /no space left for .*full.db/],
    [failing, /the disk failed while using .*failing.db/],
    [
      join(folder, 'other/events.db'),
      /events.db holds something else than projections \(.*\): name another file in DATABASE_PATH/,
    ],
  ] as const) {
    const { code, stderr } = await runCli(['ingest', '-'], { ...env, DATABASE_PATH: path }, eventLines(5));
    t.is(code, 1, stderr);
    t.regex(stderr, expected);
  }
  t.true((await lstat(full)).isSymbolicLink() && (await lstat(failing)).isSymbolicLink());
  const mended = await runCli(['ingest', '-'], env, eventLines(5));
  t.is(mended.code, 0, mended.stderr);
  t.regex(mended.stdout, /5 files/);
  await removeFolder(folder);
});

test('a log that may not grow any more rolls its batch back; with room again every event is there once', async (t) => {
  const folder = await freshFolder();
  const env = { DATA_DIR: folder, BATCH_MESSAGES: '2000' };
  const input = eventLines(12_000);
  // Blocks of 512 bytes, or of 1,024 where `sh` is bash: less than the log takes either way.
  const limited = await runLimited('-f 600', ['ingest', '-'], env, input);
  t.is(limited.code, 1, limited.stdout);
  t.regex(limited.stderr, /the disk failed while using .*|no space left for/);
  const { code, stderr } = await runCli(['ingest', '-'], env, input);
  t.is(code, 0, stderr);
  const printed = await runCli(['replay', '--print'], env);
  const offsets = printed.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { offset: number }).offset);
  t.deepEqual(
    offsets,
    Array.from({ length: 12_000 }, (_, at) => at + 1),
  );
  await removeFolder(folder);
});

test('a file that cannot be published leaves the old one, no temporary one, and says why', async (t) => {
  const folder = await freshFolder();
  await publishFile(join(folder, 'a'), (append) => append('old'));
  await t.throwsAsync(
    publishFile(join(folder, 'a'), async (append) => {
      await append('new');
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    }),
    { instanceOf: FatalError, message: /cannot write .*a: no space is left/ },
  );
  t.is(await readFile(join(folder, 'a'), 'utf8'), 'old');
  t.deepEqual(await readdir(folder), ['a']);
  await symlink('/dev/full', join(folder, `b.tmp-${process.pid}`));
  await t.throwsAsync(
    publishFile(join(folder, 'b'), (append) => append('text')),
    { instanceOf: FatalError, message: /no space is left/ },
  );
  await t.throwsAsync(
    publishFile(join(folder, 'none/c'), (append) => append('text')),
    { code: 'ENOENT' },
  );
  await removeFolder(folder);
});

test('a data folder that may not be written, or not even read, is said with what to do', async (t) => {
  const parent = await freshFolder();
  await chmod(parent, 0o755);
  const asNobody = async (folder: string) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'as-nobody-process.ts'), folder], {
      env: { PATH: process.env.PATH ?? '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return JSON.parse(await text(child.stdout)) as { write: string; read: string };
  };
  const folder = join(parent, 'data');
  t.regex((await asNobody(folder)).write, /FatalError: cannot write .*data: permission denied: check the owner/);
  t.is((await runCli(['ingest', '-'], { DATA_DIR: folder }, eventLines(3))).code, 0);
  await chmod(folder, 0o555);
  const readOnly = await asNobody(folder);
  t.regex(readOnly.write, /FatalError: .*(read-only|cannot open|permission denied)/);
  t.regex(readOnly.read, /^done$|FatalError: .*events.db.*: check/);
  await chmod(folder, 0o777);
  for (const name of await readdir(folder)) await chmod(join(folder, name), 0o444);
  t.regex((await asNobody(folder)).write, /FatalError: .*(read-only|cannot open|permission denied)/);
  for (const name of await readdir(folder)) await chmod(join(folder, name), 0o666);
  await chmod(join(folder, 'events.db'), 0);
  const unreadable = await asNobody(folder);
  t.regex(unreadable.write, /FatalError: cannot open .*events.db/);
  t.regex(unreadable.read, /FatalError: cannot open .*events.db/);
  await chmod(join(folder, 'events.db'), 0o666);
  t.is((await asNobody(folder)).write, 'done');
  await removeFolder(parent);
});

test('a page of the database that is damaged is named, and nothing is made of it', async (t) => {
  const folder = await freshFolder();
  await mkdir(folder, { recursive: true });
  t.is((await runCli(['ingest', '-'], { DATA_DIR: folder }, eventLines(2_000))).code, 0);
  const path = join(folder, 'events.db');
  const bytes = await readFile(path);
  bytes.fill(0xff, 4_096 * 10, 4_096 * 30);
  await writeFile(path, bytes);
  const { code, stderr } = await runCli(['ingest', '-'], { DATA_DIR: folder }, eventLines(1));
  t.is(code, 1);
  t.regex(stderr, /events\.db is damaged|damaged at offset/);
  await removeFolder(folder);
});

test('a database of which a part is missing is named', async (t) => {
  const folder = await freshFolder();
  t.is((await runCli(['ingest', '-'], { DATA_DIR: folder }, eventLines(2_000))).code, 0);
  const path = join(folder, 'events.db');
  await writeFile(path, (await readFile(path)).subarray(0, 4_096 * 12));
  await t.throwsAsync(
    openDatabase({ path, mode: 'read' }).then((database) => database.all('SELECT * FROM event')),
    { instanceOf: FatalError },
  );
  t.is((await runCli(['ingest', '-'], { DATA_DIR: folder }, eventLines(1))).code, 1);
  await removeFolder(folder);
});
