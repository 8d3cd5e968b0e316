import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { RetryableError } from '../../src/errors.ts';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { startProxy } from '../apply/real.ts';
import { inTwoRequests, type World } from '../support/world.ts';
import { worldTest } from '../support/world-test.ts';

const withWorld = worldTest({ timeoutMs: 60_000 });
const onceOnly = { concurrency: 1, retry: { attemptsMax: 1 } };

/** The bucket, but what it gives of each object goes through `pass` piece by piece, after a first look. */
const slowly = (bucket: Bucket, pass: () => Promise<void>): Bucket => ({
  ...bucket,
  get: async (key, options) => {
    const content = await bucket.get(key, options);
    const pieces = async function* () {
      await pass();
      for await (const piece of content.body) {
        yield piece as Buffer;
        await pass();
      }
    };
    return { ...content, body: Readable.from(pieces(), { objectMode: false }) };
  },
});

/** What stands on the disk, as mode and content of one and the same file. */
const lookAt = async (world: World, path: string): Promise<string> => {
  const handle = await open(join(world.folder, 'files', path));
  try {
    const { mode } = await handle.stat();
    return `${(mode & 0o777).toString(8)} ${await handle.readFile('utf8')}`;
  } finally {
    await handle.close();
  }
};

/** What can be seen at a path while something goes on. */
const seenDuring = async (world: World, path: string, work: () => Promise<unknown>): Promise<string[]> => {
  const seen = new Set<string>();
  let isOver = false;
  const watching = (async () => {
    do seen.add(await lookAt(world, path));
    while (!isOver);
    seen.add(await lookAt(world, path));
  })();
  await work().finally(() => (isOver = true));
  await watching;
  return [...seen];
};

/** The file manager, with each call noted that carries a save out, and its key. */
const noted = (client: FileManager, calls: string[]): FileManager => ({
  ...client,
  saveToDisk: (path, content, options) => {
    calls.push(`save ${path} ${content.permissions} ${options.idempotencyKey}`);
    return client.saveToDisk(path, content, options);
  },
  updatePermissions: (path, permissions, options) => {
    calls.push(`permissions ${path} ${permissions}`);
    return client.updatePermissions(path, permissions, options);
  },
});

/** Does what it is asked, and its answer to a save is lost. */
const unconfirmed = (client: FileManager): FileManager => ({
  ...client,
  saveToDisk: async (path, content, options) => {
    await client.saveToDisk(path, content, options);
    throw new RetryableError('the connection was lost before the answer');
  },
});

withWorld(
  'nobody can read what a file held under the mode that it gets, nor what it gets under the one that it had',
  async (t, world) => {
    await world.put('wide', 'secret', { permissions: '0600' });
    await world.put('narrow', 'open', { permissions: '0644' });
    await world.cycle();
    await world.put('wide', 'opened', { permissions: '0644' });
    await world.put('narrow', 'closed', { permissions: '0600' });
    const refused = slowly(world.bucket, () => Promise.reject(new RetryableError('the bucket gives no bytes')));
    t.is((await world.cycle({ bucket: refused, ...onceOnly })).report.states.failed, 2);
    t.deepEqual([await lookAt(world, 'wide'), await lookAt(world, 'narrow')], ['600 secret', '644 open']);
    const during: string[] = [];
    const bucket = slowly(world.bucket, async () => {
      during.push(await lookAt(world, 'wide'), await lookAt(world, 'narrow'));
    });
    const seen = { wide: [] as string[], narrow: [] as string[] };
    seen.wide = await seenDuring(world, 'wide', async () => {
      seen.narrow = await seenDuring(world, 'narrow', () => world.cycle({ bucket }));
    });
    t.deepEqual(seen, { wide: ['600 secret', '644 opened'], narrow: ['644 open', '600 closed'] });
    t.true(during.length >= 8);
    t.deepEqual(await world.differences(), []);
  },
);

withWorld('a save, of a folder too, is one request, and its repeat is the same one', async (t, world) => {
  await world.writer.put('d/', Buffer.alloc(0));
  await world.append({ type: 'create', path: 'd/', size: 0, permissions: '0750' });
  await world.put('d/x', 'content', { permissions: 'group:rëad' });
  const calls: string[] = [];
  await world.cycle({ fileManager: noted(unconfirmed(world.client), calls), ...onceOnly });
  t.deepEqual(
    calls.map((call) => call.replace(/ [^ ]+$/, '')),
    ['save d/ 0750', 'save d/x group:rëad'],
  );
  const again: string[] = [];
  await world.cycle({ fileManager: noted(inTwoRequests(world.client), again) });
  t.deepEqual(again, calls);
  t.deepEqual(await world.differences(), []);
  t.is((await world.cycle()).report.status, 'idle');
});

withWorld(
  'what was begun with two requests ends with them, whether the second was carried out or not',
  async (t, world) => {
    for (const path of ['done', 'lost']) await world.put(path, path, { permissions: '0600' });
    const fileManager: FileManager = {
      ...inTwoRequests(world.client),
      saveToDisk: (path, content, options) =>
        path === 'done'
          ? unconfirmed(world.client).saveToDisk(path, content, options)
          : Promise.reject(new RetryableError('the connection was refused')),
    };
    await world.cycle({ fileManager, ...onceOnly });
    const calls: string[] = [];
    await world.cycle({ fileManager: noted(world.client, calls) });
    t.deepEqual(
      calls.map((call) => call.replace(/(undefined) .*/, '$1')),
      ['permissions done 0600', 'save done undefined', 'permissions lost 0600', 'save lost undefined'],
    );
    t.deepEqual(await world.differences(), []);
    t.is((await world.cycle()).report.status, 'idle');
  },
);

withWorld('metadata that changed since a save without an answer is carried over', async (t, world) => {
  const put = (mode: string) => world.writer.put('a', Buffer.from('a'), { metadata: { mode } });
  await world.put('a', 'a');
  await put('33184');
  await world.cycle({ fileManager: unconfirmed(world.client), ...onceOnly });
  t.is(await lookAt(world, 'a'), '640 a');
  await put('33152');
  await world.cycle();
  t.is(await lookAt(world, 'a'), '600 a');
  t.deepEqual(await world.differences(), []);
  t.is((await world.cycle()).report.status, 'idle');
});

withWorld('permissions that are lost on their way are missed, and set once they are not', async (t, world) => {
  const baseUrl = await startProxy(t, world.server.url, ({ headers }) => void delete headers['x-permissions']);
  await world.put('a', 'a', { permissions: '0600' });
  const { report } = await world.cycle({ fileManager: createFileManagerClient({ baseUrl }) });
  t.is(report.states.failed, 1);
  t.regex(report.failures[0]?.reason ?? '', /"permissions" should be "0600" and is nothing/);
  await world.cycle();
  t.deepEqual(await world.differences(), []);
  t.is(await lookAt(world, 'a'), '600 a');
});
