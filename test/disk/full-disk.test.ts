import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { startFileManager } from '../../src/file-manager/server.ts';
import { holdings, newKey, save } from '../file-manager/support.ts';
import { runCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const entry = join(import.meta.dirname, '../../src/cli.ts');
const event = (id: string): string =>
  JSON.stringify({ id, type: 'create', time: '2026-01-01T00:00:00Z', path: `files/${id}`, size: 1 });

/** A disk of so many kilobytes, where this user may mount one. */
const smallDisk = async (kilobytes: number): Promise<{ folder: string; end: () => Promise<void> } | undefined> => {
  const folder = await freshFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    await removeFolder(folder);
    return undefined;
  }
  const end = async (): Promise<void> => {
    execFileSync('umount', [folder]);
    await removeFolder(folder);
  };
  return { folder, end };
};

test('on a disk without a byte left every command says so; with room again all goes on', async (t) => {
  const disk = await smallDisk(512);
  if (!disk) return t.pass('only root may mount a disk');
  try {
    const env = { DATA_DIR: join(disk.folder, 'data') };
    t.is((await runCli(['ingest', '-'], env, event('a'))).code, 0);
    const filler = join(disk.folder, 'filler');
    await t.throwsAsync(writeFile(filler, Buffer.alloc(1024 * 1024)), { code: 'ENOSPC' });
    for (const command of [['ingest', '-'], ['status'], ['snapshot'], ['replay', '--print'], ['replay']]) {
      const { code, stderr } = await runCli(command, env, event('b'));
      t.is(code, 1, command.join(' '));
      t.regex(stderr, /no space (is )?left/, command.join(' '));
      t.notRegex(stderr, /disk failed/, command.join(' '));
    }
    await rm(filler);
    const { code, stdout, stderr } = await runCli(['ingest', '-', '--json'], env, event('b'));
    t.is(code, 0, stderr);
    t.like(JSON.parse(stdout), { appended: 1, offset: 2 });
    t.false((await readdir(env.DATA_DIR)).some((name) => name.includes('rebuild')));
  } finally {
    await disk.end();
  }
});

test('a file manager whose disk is full refuses saves alone, and has room again after a delete', async (t) => {
  const disk = await smallDisk(2_048);
  if (!disk) return t.pass('only root may mount a disk');
  const options = { root: disk.folder, host: '127.0.0.1', port: 0, trashRetentionMs: 0 };
  let server = await startFileManager(options);
  const clientOf = () => createFileManagerClient({ baseUrl: server.url, token: undefined });
  try {
    const content = 'x'.repeat(50_000);
    const names = Array.from({ length: 60 }, (_, at) => `file-${at}`);
    const stored: string[] = [];
    for (const name of names)
      await save(clientOf(), name, content).then(
        () => stored.push(name),
        (error: unknown) => t.regex(String(error), /507/, name),
      );
    t.true(stored.length > 10 && stored.length < names.length);
    await server.close();
    server = await startFileManager(options);
    for (const name of stored) await clientOf().delete(name, newKey());
    t.deepEqual(await holdings(clientOf()), {});
    await save(clientOf(), 'new', content);
  } finally {
    await server.close().catch(() => undefined);
    await disk.end();
  }
});

test('output that cannot be written ends a command with one line and exit code 1', async (t) => {
  const folder = await freshFolder();
  const env = { DATA_DIR: folder, LOG_LEVEL: 'warn', PATH: process.env.PATH ?? '' };
  t.is((await runCli(['ingest', '-'], env, event('a'))).code, 0);
  for (const command of [['snapshot'], ['replay', '--print'], ['status'], ['--help'], ['status', '--help']]) {
    const child = spawn(process.execPath, [entry, ...command], {
      env,
      stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
    });
    const [stderr, [code]] = await Promise.all([text(child.stderr as NodeJS.ReadableStream), once(child, 'close')]);
    t.is(code, 1, command.join(' '));
    t.is(stderr, 's3-sync: cannot write standard output: no space is left on the disk: free some, nothing was lost\n');
  }
  await removeFolder(folder);
});
