import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { RetryableError } from '../../src/errors.ts';
import { StopError } from '../../src/file-manager/client-errors.ts';
import { environmentOf, type World } from '../support/world.ts';
import { worldTest } from '../support/world-test.ts';
import { runCommand } from './in-process.ts';

const withWorld = worldTest({ timeoutMs: 120_000, trashRetentionMs: 3_600_000 });

/** What a door does in place of passing a request on and its answer back; `late` once it has had its effect. */
type Fault = { readonly status: number; readonly retryAfter?: string } | 'cut' | 'late' | 'half';

/** A door before a server. `faultAt` is asked with each request and how many of its kind came before. */
const startDoor = async (
  t: ExecutionContext,
  target: string,
  faultAt: (kind: string, before: number) => Fault | undefined,
) => {
  const asked: string[] = [];
  const door = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request;
    const kind = `${method} ${url.split('?')[0]}`;
    const before = asked.filter((one) => one === kind).length;
    asked.push(kind);
    const fault = faultAt(kind, before);
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    if (fault === 'cut') return void response.destroy();
    if (typeof fault === 'object') {
      const { status, retryAfter } = fault;
      return void response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end();
    }
    const { 'content-length': _, connection: __, 'transfer-encoding': ___, ...passed } = headers;
    const answer = await fetch(new URL(url, target), {
      method,
      headers: passed as Record<string, string>,
      ...(pieces.length > 0 && { body: Buffer.concat(pieces) }),
    });
    const body = Buffer.from(await answer.arrayBuffer());
    if (fault === 'late') return void response.destroy();
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (fault === 'half') response.write(body.subarray(0, body.length / 2), () => response.destroy());
    else response.end(body);
  }).listen(0, '127.0.0.1');
  await once(door, 'listening');
  t.teardown(() => {
    door.closeAllConnections();
    door.close();
  });
  return { url: `http://127.0.0.1:${(door.address() as AddressInfo).port}`, asked };
};

/** Files of which only the file manager knows, so many that their listing comes in several pieces. */
const addFiles = async ({ folder }: World): Promise<void> => {
  const place = join(folder, 'files', 'more');
  await mkdir(place);
  for (let n = 0; n < 600; n++) await writeFile(join(place, `${String(n).padStart(4, '0')}${'x'.repeat(200)}`), '');
};

/** The two files that all sides know. */
const fill = async (world: World): Promise<void> => {
  for (const path of ['a', 'b']) await world.put(path, `content of ${path}`);
  await world.cycle();
};

const busy: Fault = { status: 429, retryAfter: '1' };

withWorld('a comparison goes on where bucket or file manager fail now and then', async (t, world) => {
  await fill(world);
  await addFiles(world);
  await world.release();
  const env = environmentOf(world);
  const verified = await runCommand('verify', [], { flags: { checksum: true }, environment: env });
  t.is(verified.split('\n').filter((line) => line.startsWith('+')).length, 600);
  const files = await startDoor(t, world.server.url, (kind, before) => {
    if (kind === 'GET /files') return [busy, 'half', { status: 503 }, 'half', { status: 500 }, 'cut'][before] as Fault;
    return kind === 'GET /content' && before % 2 === 0 ? 'half' : undefined;
  });
  const objects = await startDoor(t, world.s3.url, (kind, before) => {
    // The client asks three times by itself.
    if (kind === `GET /${world.access.bucket}`) return before < 4 ? { status: 503 } : undefined;
    return before < 4 ? { status: 500 } : undefined;
  });
  const environment = { ...env, FILE_MANAGER_API_URL: files.url, CUSTOMER_S3_ENDPOINT: objects.url };
  const again = await runCommand('verify', [], { flags: { checksum: true }, environment });
  t.deepEqual(again.split('\n'), verified.split('\n'), 'each path once');
  t.is(files.asked.filter((kind) => kind === 'GET /files').length, 7);

  const flags = { fileManager: true, dryRun: true, json: true };
  const found = await runCommand('reconcile', [], { flags, environment: env });
  t.like(JSON.parse(found), { compared: 602, unknown: 600, complete: true });
  files.asked.length = 0;
  t.is(await runCommand('reconcile', [], { flags, environment }), found);
  objects.asked.length = 0;
  const listed = JSON.parse(await runCommand('reconcile', [], { flags: { dryRun: true, json: true }, environment }));
  t.like(listed, { listed: 2, missing: 0, complete: true });
});

withWorld(
  'undo asks again under its key: what came back before the connection broke is told again',
  async (t, world) => {
    await fill(world);
    await world.writer.delete('a');
    await world.append({ type: 'delete', path: 'a' });
    const { plan } = await world.cycle();
    await world.release();
    const { url, asked } = await startDoor(t, world.server.url, (kind, before) =>
      kind === 'POST /undo'
        ? ([busy, 'late', { status: 500 }][before] as Fault)
        : before === 0
          ? { status: 503 }
          : undefined,
    );
    const environment = { ...environmentOf(world), FILE_MANAGER_API_URL: url };
    const undone = await runCommand('undo', [plan.id], { flags: { json: true }, environment });
    t.deepEqual(JSON.parse(undone), { plan: plan.id, restored: ['a'], skipped: [], not_in_trash: [] });
    t.deepEqual(asked, ['GET /', 'GET /', ...Array(4).fill('POST /undo')]);
  },
);

withWorld('what only a person can repair ends a listing at once, also where it went on before', async (t, world) => {
  await fill(world);
  await addFiles(world);
  await world.release();
  for (const [status, message] of [
    [401, /check FILE_MANAGER_TOKEN/],
    [404, /is FILE_MANAGER_API_URL a file manager\?/],
  ] as const) {
    const { url, asked } = await startDoor(t, world.server.url, (_, before) => (before === 0 ? 'half' : { status }));
    const environment = { ...environmentOf(world), FILE_MANAGER_API_URL: url };
    const verified = runCommand('verify', [], { environment });
    await t.throwsAsync(verified, { instanceOf: StopError, message });
    t.is(asked.length, 2);
  }
});

withWorld('a file manager that never answers is asked a few times, and a stop ends the wait', async (t, world) => {
  await fill(world);
  await world.release();
  const down = await startDoor(t, world.server.url, () => ({ status: 503 }));
  const flags = { fileManager: true };
  const environment = { ...environmentOf(world), FILE_MANAGER_API_URL: down.url };
  const failed = runCommand('reconcile', [], { flags, environment });
  await t.throwsAsync(failed, { instanceOf: RetryableError, message: /GET \/files of the file manager answered 503/ });
  t.is(down.asked.length, 5);

  const full = await startDoor(t, world.server.url, () => ({ status: 429, retryAfter: '30' }));
  const stopping = new AbortController();
  const begun = performance.now();
  const stopped = runCommand('verify', [], {
    environment: { ...environment, FILE_MANAGER_API_URL: full.url },
    signal: stopping.signal,
  });
  while (full.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  setTimeout(() => stopping.abort(), 100);
  await t.throwsAsync(stopped, { message: /stopped before all was compared/ });
  t.true(performance.now() - begun < 10_000);
  t.is(full.asked.length, 1);
});

withWorld(
  'a file that the file manager fails to give is told, and keeps no other from being compared',
  async (t, world) => {
    await fill(world);
    await world.release();
    const files = await startDoor(t, world.server.url, (kind) =>
      kind === 'GET /content' ? { status: 500 } : undefined,
    );
    const environment = { ...environmentOf(world), FILE_MANAGER_API_URL: files.url };
    const lines = (await runCommand('verify', [], { flags: { checksum: true }, environment })).trim().split('\n');
    t.deepEqual(
      lines.map((line) => line.replace(/\t.*/, '')),
      ['! a', '! b'],
    );
    t.is(files.asked.filter((kind) => kind === 'GET /content').length, 6, 'the second one is tried once');
  },
);
