import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { BucketEvent } from '../../events/event.ts';
import type { Bucket, ListedObject } from '../../src/bucket/bucket.ts';
import { rememberListing } from '../../src/cycle/memory.ts';
import { takeIn } from '../../src/intake/intake.ts';
import { nextTouches } from '../../src/intake/renamed.ts';
import { openLog } from '../../src/log/log.ts';
import { openProjector } from '../../src/projector/projector.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const time = '2026-03-14T09:26:53.000Z';

/** As long as its etag; a folder's marker is empty. */
const sizeOf = (key: string, etag: string): number => (key.endsWith('/') ? 0 : etag.length);

/** A bucket that holds what it is told to hold, and a service that takes in native events of one moment. */
const started = async (t: ExecutionContext) => {
  const folder = await freshFolder();
  const logPath = join(folder, 'events.db');
  const log = await openLog(logPath);
  const projector = await openProjector({ path: join(folder, 'projections.db'), logPath, logId: log.logId });
  t.teardown(async () => {
    await projector.close();
    await log.close();
    await removeFolder(folder);
  });
  const objects = new Map<string, ListedObject>();
  const hold = (key: string, etag: string): void => {
    objects.set(key, { key, etag, size: sizeOf(key, etag), modifiedAt: time });
  };
  const bucket: Pick<Bucket, 'head' | 'list'> = {
    head: async (key) => {
      const object = objects.get(key);
      return object && { ...object, observedAt: time };
    },
    list: async function* ({ prefix = '' } = {}) {
      const found = [...objects.values()].filter(({ key }) => key.startsWith(prefix));
      yield { objects: found, observedAt: time, last: true };
    },
  };
  const take = async (...events: readonly object[]): Promise<void> => {
    const deliveries = events.map((event, at) => ({
      deliveryId: `d${at}`,
      message: { body: Buffer.from(JSON.stringify({ time, ...event })), attributes: {} },
    }));
    const views = projector.database;
    await takeIn(deliveries, { log, sourceName: 'test', bucket: bucket as Bucket, views });
    await projector.catchUp();
  };
  const rows = (columns = 'path, etag'): Promise<unknown[]> =>
    projector.database.all(`SELECT ${columns} FROM file ORDER BY path`);
  return { log, hold, take, rows };
};

test('what is recorded beside a rename has its order token: a newer event that came before it has the last word', async (t) => {
  const { hold, take, rows } = await started(t);
  await take({ id: 'c', type: 'create', version: 2, path: 'b', size: 4, etag: 'told' });
  hold('b', 'not told yet');
  await take({ id: 'r', type: 'rename', version: 1, path: 'never-seen', to: 'b' });
  t.deepEqual(await rows(), [{ path: 'b', etag: 'told' }]);
});

test('what is recorded beside a rename comes behind it, under an id of its own', async (t) => {
  const { hold, take, rows } = await started(t);
  await take({ id: 'c', type: 'create', version: 1, path: 'a', size: 7, etag: 'parts-2' });
  hold('b', 'copied ');
  await take({ id: 'r', type: 'rename', version: 2, path: 'a', to: 'b' });
  t.deepEqual(await rows(), [{ path: 'b', etag: 'copied ' }]);
  hold('b', 'another');
  await take({ id: 's', type: 'rename', version: 3, path: 'never-seen', to: 'b' });
  t.deepEqual(await rows(), [{ path: 'b', etag: 'another' }]);
});

test('a marker that did not arrive with its folder is recorded as gone, and what lies beneath it stays', async (t) => {
  const { log, hold, take, rows } = await started(t);
  for (const path of ['d/e/', 'd/e/x'])
    await take({ id: path, type: 'create', path, size: sizeOf(path, path), etag: path });
  await rememberListing(log.database, { from: time, to: time });
  hold('d/e/', 'd/e/');
  hold('to/e/x', 'd/e/x');
  await take({ id: 'm', type: 'move', path: 'd/', to: 'to/' });
  t.deepEqual(await rows(), [
    { path: 'd/e/', etag: 'd/e/' },
    { path: 'to/e/x', etag: 'd/e/x' },
  ]);
  const recorded = await log.read(4, Number.MAX_SAFE_INTEGER, 10);
  t.deepEqual(
    recorded.map(({ type, path, source }) => ({ type, path, source })),
    [
      { type: 'delete', path: 'to/e/', source: 'native+head' },
      { type: 'create', path: 'd/e/', source: 'native+head' },
    ],
    'the log says that the bucket was asked',
  );
});

test('a file that nobody told of keeps the permissions that it gets before it is written again', async (t) => {
  const { hold, take, rows } = await started(t);
  for (const path of ['b', 'to/x', 'to/y']) hold(path, 'second');
  await take(
    { id: 'r', type: 'rename', path: 'never-seen', to: 'b' },
    { id: 'm', type: 'move', path: 'never-seen/', to: 'to/' },
    ...['b', 'to/x', 'gone'].flatMap((path) => [
      { id: `p ${path}`, type: 'change_permission', path, permissions: '0600' },
      { id: `c ${path}`, type: 'create', path, size: 6, etag: 'second' },
    ]),
  );
  t.deepEqual(await rows('path, etag, permissions'), [
    { path: 'b', etag: 'second', permissions: '0600' },
    { path: 'gone', etag: 'second', permissions: null },
    { path: 'to/x', etag: 'second', permissions: '0600' },
    { path: 'to/y', etag: 'second', permissions: null },
  ]);
});

test('a file that nobody told of, and that is written again, is still carried on by a rename that comes late', async (t) => {
  const { hold, take, rows } = await started(t);
  hold('b', 'second');
  hold('c', 'first');
  await take(
    { id: 'r', type: 'rename', version: 1, path: 'never-seen', to: 'b' },
    { id: 'c', type: 'create', version: 3, path: 'b', size: 6, etag: 'second' },
  );
  await take({ id: 's', type: 'rename', version: 2, path: 'b', to: 'c', size: 5, etag: 'first' });
  t.deepEqual(await rows(), [
    { path: 'b', etag: 'second' },
    { path: 'c', etag: 'first' },
  ]);
});

test('a file that nobody told of is asked for where it went, also if what was written next in its place is told of first', async (t) => {
  const { hold, take, rows } = await started(t);
  hold('a', 'second');
  hold('b', 'first');
  await take(
    { id: 'c', type: 'create', version: 2, path: 'a', size: 6, etag: 'second' },
    { id: 'r', type: 'rename', version: 1, path: 'a', to: 'b' },
  );
  t.deepEqual(await rows(), [
    { path: 'a', etag: 'second' },
    { path: 'b', etag: 'first' },
  ]);
});

test('a file that nobody told of, and that is gone by now, is recorded nowhere on its way', async (t) => {
  const { take, rows } = await started(t);
  await take(
    { id: 'r', type: 'rename', version: 1, path: 'never-seen', to: 'b' },
    { id: 's', type: 'rename', version: 2, path: 'b', to: 'c' },
  );
  t.deepEqual(await rows(), []);
});

test('of a file that goes to and fro in every event of a batch, the next touch is found at once', (t) => {
  const names = ['a', 'b'];
  const events = Array.from({ length: 5_000 }, (_, at): BucketEvent & { readonly to: string } => ({
    id: `e${at}`,
    type: 'rename',
    time: new Date(Date.parse(time) + at).toISOString(),
    path: names[at % 2] as string,
    to: names[(at + 1) % 2] as string,
    source: 'native',
  }));
  const nextTouch = nextTouches(events);
  const begun = performance.now();
  const next = events.map(({ to }, at) => nextTouch(to, at)?.id);
  t.true(performance.now() - begun < 2_000, 'a batch of many is no reason to stand still');
  t.deepEqual(next, [...events.slice(1).map(({ id }) => id), undefined]);
});
