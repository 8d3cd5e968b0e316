import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { runCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';

/** Says on standard error which packages a process has loaded, once it ends. */
const telling = `
  import { registerHooks } from 'node:module';
  const packages = new Set();
  registerHooks({
    load(url, context, next) {
      const [, name] = /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url) ?? [];
      if (name) packages.add(name);
      return next(url, context);
    },
  });
  process.on('exit', () => console.error('LOADED ' + [...packages].sort().join(' ')));
`;

/** The packages that a command loads. */
const loadedBy = async (...command: string[]): Promise<string | undefined> => {
  const folder = await freshFolder();
  const hook = join(folder, 'telling.mjs');
  await writeFile(hook, telling);
  const settings = { FILE_MANAGER_API_URL: 'http://127.0.0.1:9', CUSTOMER_S3_BUCKET: 'b' };
  const { code, stderr } = await runCli(command, { ...settings, DATA_DIR: folder, NODE_OPTIONS: `--import ${hook}` });
  if (code !== 0) throw new Error(stderr);
  return /^LOADED (.*)$/m.exec(stderr)?.[1];
};

const event = '{"id":"1","type":"create","time":"2026-01-01T00:00:00Z","path":"a","size":1}\n';

test('what only reads the data folder loads SQLite, and nothing that speaks to servers', async (t) => {
  t.is(await loadedBy('status'), 'bindings file-uri-to-path sqlite sqlite3');
});

test('a diff loads no package at all', async (t) => {
  const folder = await freshFolder();
  const snapshot = join(folder, 'a.csv');
  const DATA_DIR = join(folder, 'data');
  t.is((await runCli(['ingest', '-'], { DATA_DIR }, event)).code, 0);
  t.is((await runCli(['snapshot', '--out', snapshot], { DATA_DIR })).code, 0);
  t.is(await loadedBy('diff', snapshot, snapshot), '');
});
