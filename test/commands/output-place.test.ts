import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { link, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { openDatabase } from '../../src/storage/database.ts';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const event = '{"id":"1","type":"create","time":"2026-01-01T00:00:00Z","path":"a","size":1}';

/** A data folder with one event, whose log another connection has open as a daemon has, and a folder beside it. */
const scene = async () => {
  const folder = await freshFolder();
  const data = join(folder, 'data');
  const env = { DATA_DIR: data };
  const { code, stderr } = await runCli(['ingest', '-'], env, event);
  if (code !== 0) throw new Error(stderr);
  const log = await openDatabase({ path: join(data, 'events.db'), mode: 'write' });
  await log.run('PRAGMA user_version');
  const end = async (): Promise<void> => {
    await log.close();
    await removeFolder(folder);
  };
  return { folder, data, env, end };
};

/** What every file in a folder is, and holds. */
const stateOf = async (folder: string): Promise<Record<string, string>> => {
  const state: Record<string, string> = {};
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const path = join(folder, name);
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) state[name] = `-> ${await readlink(path)}`;
    else if (stats.isFile())
      state[name] = createHash('sha256')
        .update(await readFile(path))
        .digest('hex');
    else state[name] = stats.isFIFO() ? 'pipe' : 'folder';
  }
  return state;
};

test('no export and no replay takes the place of what the service needs, of a database, or of what is no file', async (t) => {
  const { folder, data, env, end } = await scene();
  const at = (name: string): string => join(folder, name);
  const theirs = await openDatabase({ path: at('theirs.db'), mode: 'write' });
  await theirs.exec('CREATE TABLE invoice (number)');
  await symlink('data', at('way'));
  await symlink('data/events.db', at('link.csv'));
  await symlink('data/projections.db-wal', at('later.csv'));
  await link(join(data, 'events.db'), at('twin.csv'));
  execFileSync('mkfifo', [at('pipe')]);
  await symlink('/dev/null', at('null.csv'));
  // Those that are there while a writer has them open, and those that are there only then.
  const own = /data\/[\w.-]+ belongs to this service or to a database: name another file/;
  const refusals: [name: string, message: RegExp][] = [
    ...['events.db', 'events.db-wal', 'events.db-shm', 'events.db.writer.lock', 'events.db.writer.json'].map(
      (name): [string, RegExp] => [`data/${name}`, own],
    ),
    ...['projections.db', 'projections.db-shm', 'projections.db-journal', 'projections.db.rebuild'].map(
      (name): [string, RegExp] => [`data/${name}`, own],
    ),
    ['data/writer.lock', own],
    ['data/writer.json', own],
    ['way/events.db', own],
    ['link.csv', own],
    ['later.csv', own],
    ['twin.csv', /twin\.csv belongs to this service or to a database/],
    ['theirs.db', /theirs\.db belongs to this service or to a database/],
    ['theirs.db-wal', /theirs\.db-wal belongs to this service or to a database/],
    ['pipe', /pipe is no regular file: name another one.*standard output/],
    ['null.csv', /null\.csv is no regular file/],
  ];
  const before = await stateOf(folder);
  for (const [name, message] of refusals) {
    const { code, stdout, stderr } = await runCli(['snapshot', '--out', at(name)], env);
    t.deepEqual([code, stdout], [2, ''], `${name}: ${stderr}`);
    t.regex(stderr, message, name);
    t.regex(stderr, /--out: /);
    const replayed = await runCli(['replay', '--into', at(name)], env);
    t.is(replayed.code, 2, name);
    t.regex(replayed.stderr, /--into: .* (is there already|belongs to this service or to a database)/, name);
  }
  t.deepEqual(await stateOf(folder), before);
  await theirs.close();
  await end();
});

test('an export to a link replaces what the link leads to, there or not, and stays a whole file', async (t) => {
  const { folder, env, end } = await scene();
  await mkdir(join(folder, 'archive'));
  await writeFile(join(folder, 'archive/old.csv'), 'old');
  for (const target of ['archive/old.csv', 'archive/new.csv']) {
    const out = join(folder, `latest-of-${target.slice(8)}`);
    await symlink(target, out);
    const { code, stderr } = await runCli(['snapshot', '--out', out], env);
    t.is(code, 0, stderr);
    t.is(await readlink(out), target);
    const text = await readFile(join(folder, target), 'utf8');
    t.regex(text, /^path,.*\na,1,/);
    const manifest = JSON.parse(await readFile(`${out}.manifest.json`, 'utf8'));
    t.is(manifest.sha256, createHash('sha256').update(text).digest('hex'));
  }
  const into = join(folder, 'views.db');
  await symlink('archive/views.db', into);
  const { code, stderr } = await runCli(['replay', '--into', into], env);
  t.is(code, 0, stderr);
  t.is(await readlink(into), 'archive/views.db');
  const views = await openDatabase({ path: into, mode: 'read' });
  t.deepEqual(await views.all('SELECT path FROM file'), [{ path: 'a' }]);
  await views.close();
  await end();
});

test('a file manager keeps its files in no folder that holds the service’s own', async (t) => {
  const { folder, data, env, end } = await scene();
  await symlink('data', join(folder, 'way'));
  for (const root of [data, folder, join(folder, 'way')]) {
    const before = await stateOf(folder);
    const { child, finished } = startCli(['file-manager', '--root', root, '--port', '0'], {
      ...env,
      FILE_MANAGER_TOKEN: 'token',
    });
    // One that takes the folder runs until it is stopped.
    const timer = setTimeout(() => child.kill('SIGTERM'), 8_000);
    const { code, stderr } = await finished;
    clearTimeout(timer);
    t.is(code, 2, stderr);
    t.regex(stderr, /--root: .* holds .*events\.db, which the file manager would take for a file of its own: name/);
    t.deepEqual(await stateOf(folder), before);
  }
  await end();
});
