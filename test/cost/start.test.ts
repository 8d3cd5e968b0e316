import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { runCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';

const root = pathToFileURL(join(import.meta.dirname, '../..', '/')).href;

/** Says on standard error which packages and which modules of ours a process has loaded, once it ends. */
const telling = `
  import { registerHooks } from 'node:module';
  const packages = new Set();
  const modules = new Set();
  registerHooks({
    load(url, context, next) {
      const [, name] = /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url) ?? [];
      if (name) packages.add(name);
      else if (url.startsWith('${root}')) modules.add(url.slice(${root.length}));
      return next(url, context);
    },
  });
  process.on('exit', () => {
    console.error('PACKAGES ' + [...packages].sort().join(' '));
    console.error('MODULES ' + [...modules].sort().join(' '));
  });
`;

/** The packages and the modules of ours that a command loads. */
const loadedBy = async (
  command: readonly string[],
  dataFolder?: string,
): Promise<{ readonly packages: string | undefined; readonly modules: readonly string[] }> => {
  const folder = await freshFolder();
  const hook = join(folder, 'telling.mjs');
  await writeFile(hook, telling);
  const settings = { FILE_MANAGER_API_URL: 'http://127.0.0.1:9', CUSTOMER_S3_BUCKET: 'b' };
  const environment = { ...settings, DATA_DIR: dataFolder ?? folder, NODE_OPTIONS: `--import ${hook}` };
  const { code, stderr } = await runCli(command, environment);
  if (code !== 0) throw new Error(stderr);
  const told = (what: string): string | undefined => new RegExp(`^${what} (.*)$`, 'm').exec(stderr)?.[1];
  return { packages: told('PACKAGES'), modules: told('MODULES')?.split(' ') ?? [] };
};

const event = '{"id":"1","type":"create","time":"2026-01-01T00:00:00Z","path":"a","size":1}\n';

test('what only reads the data folder loads SQLite, and nothing that speaks to servers or writes', async (t) => {
  const DATA_DIR = join(await freshFolder(), 'data');
  t.is((await runCli(['ingest', '-'], { DATA_DIR }, event)).code, 0);
  const { packages, modules } = await loadedBy(['status'], DATA_DIR);
  t.is(packages, 'bindings file-uri-to-path sqlite sqlite3');
  t.deepEqual(
    modules.filter((name) => /^src\/(log|projector|sources|scan|apply|file-manager|verify|data-folder)\//.test(name)),
    [
      'src/data-folder/writer.ts',
      'src/log/columns.ts',
      'src/log/quarantine.ts',
      'src/log/read-log.ts',
      'src/log/rows.ts',
      'src/log/schema.ts',
      'src/projector/meta.ts',
    ],
  );
  t.true(modules.length <= 49, modules.join('\n'));
});

test('a diff loads no package at all', async (t) => {
  const folder = await freshFolder();
  const snapshot = join(folder, 'a.csv');
  const DATA_DIR = join(folder, 'data');
  t.is((await runCli(['ingest', '-'], { DATA_DIR }, event)).code, 0);
  t.is((await runCli(['snapshot', '--out', snapshot], { DATA_DIR })).code, 0);
  t.is((await loadedBy(['diff', snapshot, snapshot])).packages, '');
});
