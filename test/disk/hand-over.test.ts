import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { handOver, takeRequests } from '../../src/data-folder/hand-over.ts';
import { lockDataFolder } from '../../src/data-folder/lock.ts';
import { FolderInUseError } from '../../src/errors.ts';
import { freshFolder } from '../support/folder.ts';

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await sleep(10);
};

const handed = { command: 'plan', words: [], flags: {} };

/** Has the folder of requests hold one of an earlier daemon's; resolves with what waits until that was cleared away. */
const leftBefore = async (requests: string): Promise<() => Promise<void>> => {
  const old = join(requests, 'old');
  await mkdir(old, { recursive: true });
  return () => until(() => !existsSync(old));
};

test('a request whose folder is half removed is not carried out a second time', async (t) => {
  const data = await freshFolder();
  const requests = join(data, 'requests');
  const cleared = await leftBefore(requests);
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  let carried = 0;
  const taking = takeRequests(
    data,
    async () => {
      carried += 1;
      return { code: 0 };
    },
    stop.signal,
  );
  const ask = async (id: string): Promise<string> => {
    await mkdir(join(requests, id));
    await writeFile(join(requests, id, 'request.json'), JSON.stringify(handed));
    const ended = join(requests, id, 'ended.json');
    await until(() => existsSync(ended));
    return ended;
  };
  await cleared();
  await rm(await ask('1'));
  // Whoever takes these has looked at the first one again.
  await ask('2');
  await ask('3');
  t.is(carried, 3);
  stop.abort();
  await taking;
  t.is(carried, 3);
});

test('an answer that nobody fetches is removed after a while', async (t) => {
  const data = await freshFolder();
  const requests = join(data, 'requests');
  const cleared = await leftBefore(requests);
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const taking = takeRequests(data, async () => ({ code: 0 }), stop.signal, { answerKeptMs: 50 });
  await cleared();
  await mkdir(join(requests, 'of-a-killed-command'));
  await writeFile(join(requests, 'of-a-killed-command', 'request.json'), JSON.stringify(handed));
  for (let looks = 0; looks < 500 && (await readdir(requests)).length > 0; looks++) await sleep(20);
  t.deepEqual(await readdir(requests), []);
  stop.abort();
  await taking;
});

test('a request that cannot be removed does not replace its answer', async (t) => {
  const data = await freshFolder();
  const requests = join(data, 'requests');
  const inUse = new FolderInUseError(data, { command: 'daemon', pid: 1, since: '2026-01-01T00:00:00Z' }, {});
  const asked = handOver(data, handed, inUse, { signal: new AbortController().signal, print: () => undefined });
  const request = async (): Promise<string> => join(requests, (await readdir(requests))[0] ?? '', 'request.json');
  await until(() => existsSync(requests));
  while (!existsSync(await request())) await sleep(10);
  const place = await request();
  await rm(place);
  await mkdir(place);
  await writeFile(join(place, '../ended.json'), JSON.stringify({ code: 3 }));
  t.deepEqual(await asked, { code: 3 });
});

test('a request that comes while the daemon starts, and empties the folder, is asked again', async (t) => {
  const data = await freshFolder();
  const requests = join(data, 'requests');
  const inUse = new FolderInUseError(data, { command: 'daemon', pid: 1, since: '2026-01-01T00:00:00Z' }, {});
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  // Whoever sees the lock held by nobody gives up.
  const lock = await lockDataFolder(data, 'daemon');
  const asked = handOver(data, handed, inUse, { signal: new AbortController().signal, print: () => undefined });
  await until(() => existsSync(requests));
  const taking = takeRequests(data, async () => ({ code: 3 }), stop.signal);
  const late = sleep(10_000, 'no answer', { signal: stop.signal }).catch(() => undefined);
  t.deepEqual(await Promise.race([asked, late]), { code: 3 });
  stop.abort();
  await taking;
  await lock.release();
});

test('a daemon that runs as another user answers root, and starts whatever root has left behind', async (t) => {
  const data = await freshFolder();
  const requests = join(data, 'requests');
  await mkdir(join(requests, 'of-a-killed-command'), { recursive: true, mode: 0o755 });
  await writeFile(join(requests, 'of-a-killed-command', 'request.json'), JSON.stringify(handed));
  const nobody = process.getuid?.() === 0 ? 65_534 : undefined;
  if (nobody !== undefined) for (const path of [data, requests]) await chown(path, nobody, nobody);
  // Whoever sees the lock held by nobody gives up.
  const lock = await lockDataFolder(data, 'daemon');
  const daemon = spawn(process.execPath, [join(import.meta.dirname, 'take-as-nobody-process.ts'), data], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const printed = daemon.stdout.toArray();
  const inUse = new FolderInUseError(data, { command: 'daemon', pid: 1, since: '2026-01-01T00:00:00Z' }, {});
  const umask = process.umask(0o077);
  t.teardown(() => process.umask(umask));
  const asked = handOver(data, handed, inUse, { signal: new AbortController().signal, print: () => undefined });
  t.deepEqual(await asked, { code: 3 });
  daemon.stdin.end();
  t.is(Buffer.concat(await printed).toString(), '1');
  await lock.release();
});
