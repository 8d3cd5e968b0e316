import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { secrets } from '../support/canary.ts';
import { startCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { createWorld, environmentOf } from '../support/world.ts';

const cli = join(import.meta.dirname, '../../src/cli.ts');

/** Runs a command whose standard output, and standard error where `both`, nobody reads; resolves with its exit code. */
const unread = async (args: readonly string[], env: Readonly<Record<string, string>>, both = false) => {
  const script = `"$0" "$@" ${both ? '2>&1' : ''} | true; exit "\${PIPESTATUS[0]}"`;
  const child = spawn('bash', ['-c', script, process.execPath, cli, ...args], {
    env: { PATH: process.env.PATH ?? '', LOG_LEVEL: both ? 'info' : 'warn', ...secrets, ...env },
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said };
};

test('a command whose reader has gone has done its work, and its own exit code', async (t) => {
  t.timeout(120_000);
  const world = await createWorld();
  const names = Array.from({ length: 12 }, (_, at) => `f${at}`);
  for (const name of names) await world.put(name, 'content');
  await world.cycle();
  const env = environmentOf(world);
  t.deepEqual(await unread(['verify'], env), { code: 0, said: '' });
  for (const name of names) {
    await world.writer.delete(name);
    await world.append({ type: 'delete', path: name });
  }
  await world.workspace().projector.catchUp();
  await world.release();
  for (const both of [false, true]) {
    for (const [args, expected] of [
      [['verify'], 1],
      [['incremental-sync', '--no-drain'], 3],
      [['verify', '--checksum', '--json'], 1],
    ] as const) {
      const { code, said } = await unread(args, env, both);
      t.is(code, expected, `${args.join(' ')}: ${said}`);
    }
  }
  t.deepEqual(await unread(['status'], env), { code: 0, said: '' });
  t.deepEqual(await unread(['--help'], env), { code: 0, said: '' });
  await world.close();
});

test('a listing that nobody reads any more ends', async (t) => {
  t.timeout(60_000);
  const folder = await freshFolder();
  const env = { DATA_DIR: join(folder, 'data') };
  await mkdir(env.DATA_DIR);
  const lines = Array.from({ length: 1_000 }, (_, at) =>
    JSON.stringify({ id: `${at}`, type: 'create', time: '2026-01-01T00:00:00Z', path: `f${at}` }),
  );
  const file = join(folder, 'events.jsonl');
  await writeFile(file, lines.join('\n'));
  t.is((await startCli(['ingest', file], env).finished).code, 0);
  // Left alone, one has no end, and the other takes more than fifteen minutes.
  for (const args of [
    ['status', '--watch'],
    ['replay', '--print', '--rate', '1'],
  ])
    t.deepEqual(await unread(args, env), { code: 0, said: '' }, args.join(' '));
  await removeFolder(folder);
});
