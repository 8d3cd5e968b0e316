import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { lockDataFolder } from '../../src/data-folder/lock.ts';
import { FolderInUseError } from '../../src/errors.ts';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { createWorld, environmentOf } from '../support/world.ts';

/** Passes every request on, and tells of each before it does. */
const proxyTo = async (t: ExecutionContext, target: string, onRequest: (request: IncomingMessage) => void) => {
  const server = createServer((request, response) => {
    onRequest(request);
    const { method, headers } = request;
    const onward = send(`${target}${request.url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('error', () => response.destroy()).pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('error', () => undefined);
    request.on('error', () => undefined).pipe(onward);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** Resolves once the process has said this on standard error, or has ended. */
const said = (child: ChildProcess, words: string): Promise<void> =>
  new Promise((resolve) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      if (chunk.includes(words)) resolve();
    });
    child.once('exit', () => resolve());
  });

const phases: readonly (readonly [title: string, isReached: (request: IncomingMessage) => boolean])[] = [
  ['listing the bucket', ({ method, url }) => method === 'GET' && url?.includes('list-type=2') === true],
  ["asking for an object's metadata", ({ method }) => method === 'HEAD'],
  ['asking the file manager what it can', ({ method, url }) => method === 'GET' && url === '/'],
  ['a download', ({ method, url }) => method === 'GET' && /\/f\d+\?x-id=GetObject/.test(url ?? '')],
  ['an upload', ({ method }) => method === 'PUT'],
  ['delivering the report', ({ url }) => url === '/report'],
];

test('SIGTERM in any phase ends the process soon and in order; the next run goes on, and ends equal', async (t) => {
  t.timeout(150_000);
  const world = await createWorld();
  for (let at = 0; at < 24; at++)
    await world.writer.put(`f${at}`, Buffer.alloc(20_000, `${at} `), { metadata: { mode: '33188' } });
  await world.release();
  let stop: ((request: IncomingMessage) => void) | undefined;
  const env = {
    ...environmentOf(world),
    CUSTOMER_S3_ENDPOINT: await proxyTo(t, world.s3.url, (request) => stop?.(request)),
    FILE_MANAGER_API_URL: await proxyTo(t, world.server.url, (request) => stop?.(request)),
    SYNC_CONCURRENCY: '2',
  };
  for (const [title, isReached] of phases) {
    const { child, finished } = startCli(['initial-sync'], env);
    let reached = false;
    stop = (request) => {
      if (reached || !isReached(request)) return;
      reached = true;
      child.kill('SIGTERM');
    };
    const { code, stderr } = await finished;
    t.true(reached, `${title} is reached: ${stderr}`);
    t.is(code, title === 'delivering the report' ? 0 : 1, `${title}: ${stderr}`);
    t.regex(stderr, /SIGTERM: stopping after what is in hand/, title);
    t.false(/\n\s+at .*\.ts/.test(stderr), `${title}: no stack: ${stderr}`);
  }
  stop = undefined;
  const last = await runCli(['initial-sync'], env);
  t.is(last.code, 0, last.stderr);
  const verified = await runCli(['verify', '--checksum'], environmentOf(world));
  t.is(verified.code, 0, verified.stdout);
  const status = JSON.parse((await runCli(['status', '--json'], env)).stdout) as {
    operations: Record<string, number>;
    reports_waiting: number;
  };
  t.is(status.operations.save, 24, 'each file was recorded once');
  t.is(status.reports_waiting, 0);
  await world.close();
});

test('an ingest that is stopped says so, and what it left out is there after it is run again', async (t) => {
  const folder = await freshFolder();
  const line = (at: number): string =>
    JSON.stringify({ id: `e${at}`, type: 'create', time: '2026-01-01T00:00:00Z', path: `files/${at}`, size: at });
  const { child, finished } = startCli(['ingest', '-'], { DATA_DIR: folder });
  child.stdin?.write(`${line(1)}\n`);
  const log = join(folder, 'events.db');
  for (let look = 0; look < 400 && !existsSync(log); look += 1) await sleep(25);
  child.kill('SIGTERM');
  const { code, stderr } = await finished;
  t.is(code, 1, stderr);
  t.regex(stderr, /stopped before the end of -: ingest it again/);
  const again = await runCli(['ingest', '-', '--json'], { DATA_DIR: folder }, [line(1), line(2)].join('\n'));
  t.is(again.code, 0, again.stderr);
  t.is((JSON.parse(again.stdout) as { files: number }).files, 2);
  await removeFolder(folder);
});

test('a daemon between two cycles ends at once', async (t) => {
  const world = await createWorld();
  await world.put('a', 'content');
  await world.release();
  const { child, finished } = startCli(['daemon', '--interval', '3600'], {
    ...environmentOf(world),
    LOG_LEVEL: 'info',
  });
  await said(child, 'cycle ended');
  child.kill('SIGTERM');
  const { code, stderr } = await finished;
  t.is(code, 0, stderr);
  await world.close();
});

test('1,024 open files are enough for any concurrency', async (t) => {
  t.timeout(120_000);
  const world = await createWorld();
  const paths = Array.from({ length: 600 }, (_, at) => `f${at}`);
  for (let at = 0; at < paths.length; at += 50)
    await Promise.all(paths.slice(at, at + 50).map((path) => world.writer.put(path, Buffer.from(path))));
  await world.release();
  const entry = join(import.meta.dirname, '../../src/cli.ts');
  const child = spawn(
    'sh',
    ['-c', 'ulimit -n 1024; exec "$0" "$@"', process.execPath, entry, 'initial-sync', '--concurrency', '2000'],
    {
      env: { PATH: process.env.PATH ?? '', LOG_LEVEL: 'warn', ...environmentOf(world) },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  t.is(code, 0, stderr);
  t.regex(stdout, /600 saves?/);
  await world.close();
});

test('the lock goes with its process, however that ends, and no number of a process can hold it', async (t) => {
  const folder = await freshFolder();
  // What a process that was killed leaves behind; its number belongs to another process by now: to this one.
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'writer.json'),
    JSON.stringify({ command: 'daemon', pid: process.pid, since: 'before' }),
  );
  const first = await lockDataFolder(folder, 'first');
  await rm(join(folder, 'writer.json'));
  await t.throwsAsync(lockDataFolder(folder, 'second'), { instanceOf: FolderInUseError }, 'also without its name');
  await first.release();

  const { child, finished } = startCli(['subscribe', '--source', 'http'], {
    DATA_DIR: folder,
    HTTP_PORT: '0',
    HTTP_TOKEN: 'token',
    LOG_LEVEL: 'info',
  });
  child.stdin?.end();
  await said(child, 'subscribed');
  t.is((await runCli(['ingest', '-'], { DATA_DIR: folder }, '')).code, 1, 'held by a living process');
  child.kill('SIGKILL');
  await finished;
  const after = await runCli(['ingest', '-'], { DATA_DIR: folder }, '');
  t.is(after.code, 0, after.stderr);
  await removeFolder(folder);
});
