import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { BucketEvent } from '../../events/event.ts';
import { compareEvents, justAfter, timeKey } from '../../events/order.ts';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { openProjector } from '../../src/projector/projector.ts';
import { type ScanResult, scanBucket } from '../../src/scan/scan.ts';
import { createWorld, type World } from '../support/world.ts';

const future = '2036-01-01T00:00:00Z';

const scan = (world: World, bucket: Bucket = world.bucket): Promise<ScanResult> =>
  scanBucket({ workspace: world.workspace(), bucket, metadata: false });

const found = ({ missing, stale, gone, overtaken }: ScanResult) => ({ missing, stale, gone, overtaken });
const nothing = { missing: 0, stale: 0, gone: 0, overtaken: 0 };

/** What a producer says whose clock is years ahead. */
const ahead = (world: World, id: string, fields: Pick<BucketEvent, 'type' | 'path'> & Partial<BucketEvent>) =>
  world.workspace().log.append([{ id, time: future, source: 'native', ...fields }]);

/** One listing puts everything right, a second one finds nothing, and the views are the same when they are built anew. */
const heals = async (t: ExecutionContext, world: World, expected: Partial<typeof nothing>) => {
  t.deepEqual(found(await scan(world)), { ...nothing, ...expected });
  const { log, projector } = world.workspace();
  const last = await log.last();
  t.deepEqual(found(await scan(world)), nothing, 'a second listing finds nothing');
  t.is(await log.last(), last, 'and appends nothing');
  const { report } = await world.cycle();
  t.is(report.status, 'done');
  t.deepEqual(await world.differences(), []);
  const again = await openProjector({
    path: join(world.folder, 'again.db'),
    logPath: world.config.paths.log,
    logId: log.logId,
  });
  await again.catchUp();
  const all = 'SELECT * FROM file ORDER BY path';
  t.deepEqual(await again.database.all(all), await projector.database.all(all));
  await again.close();
};

test('a listing has the last word about a file that an event from the future deletes', async (t) => {
  const world = await createWorld();
  await world.put('clock/a.txt', 'content');
  await ahead(world, 'f1', { type: 'delete', path: 'clock/a.txt' });
  await heals(t, world, { missing: 1 });
  await world.close();
});

test('a listing has the last word about what an event from the future creates', async (t) => {
  const world = await createWorld();
  await world.put('stays.txt', 'content');
  await world.writer.put('changed.txt', Buffer.from('new'));
  for (const path of ['changed.txt', 'never.txt', 'folder/'])
    await ahead(world, `create ${path}`, { type: 'create', path, size: 5, etag: 'e', version: 'n:00019' });
  await heals(t, world, { stale: 1, gone: 2 });
  await world.close();
});

test('a listing has the last word about what events from the future rename, move or delete with a folder', async (t) => {
  const world = await createWorld();
  for (const path of ['a/1', 'a/b/2', 'c/3', 'd/4', 'e']) await world.put(path, path);
  await ahead(world, 'f1', { type: 'rename', path: 'a/', to: 'x/' });
  await ahead(world, 'f2', { type: 'delete', path: 'c/' });
  await ahead(world, 'f3', { type: 'move', path: 'd/4', to: '4' });
  await ahead(world, 'f4', { type: 'rename', path: 'e', to: 'f', version: 'n:00019' });
  await heals(t, world, { missing: 5, gone: 4 });
  await world.close();
});

test('an event that comes while the bucket is listed keeps its place by time', async (t) => {
  const world = await createWorld();
  await world.put('a', 'content');
  await ahead(world, 'f1', { type: 'delete', path: 'b' });
  await world.writer.put('b', Buffer.from('older'));
  const { bucket } = world;
  const overtaken: Bucket = {
    ...bucket,
    list: async function* (options) {
      for await (const page of bucket.list(options)) {
        const etag = 'e'.repeat(32);
        await ahead(world, 'f2', { type: 'create', path: 'b', size: 9, etag, time: '2036-01-01T00:00:01Z' });
        await world
          .workspace()
          .log.append([{ id: 'gone', type: 'delete', time: '2035-01-01T00:00:00Z', path: 'a', source: 'native' }]);
        yield page;
      }
    },
  };
  t.deepEqual(found(await scan(world, overtaken)), { ...nothing, overtaken: 1 });
  t.is((await scan(world)).stale, 1, 'the next listing knows better');
  await world.close();
});

test('a time just after another is later, whichever event arrives first', (t) => {
  const after = (time: string): string => justAfter(timeKey(time));
  t.is(after(future), '2036-01-01T00:00:00.000000001Z');
  t.is(after(after(future)), '2036-01-01T00:00:00.000000002Z');
  t.true(compareEvents({ id: 's', time: after(future), offset: 1 }, { id: 'f', time: future, offset: 2 }) > 0);
  const last = '9999-12-31T23:59:59.999999999Z';
  t.is(after(last), last);
});
