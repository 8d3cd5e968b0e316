import { join } from 'node:path';
import test from 'ava';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { UnreadableError } from '../../src/bucket/errors.ts';
import { createBucket, createBucketWriter } from '../../src/bucket/s3.ts';
import { readWaiting } from '../../src/cycle/unreadable.ts';
import { RetryableError, SupersededError } from '../../src/errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { runCli } from '../support/cli.ts';
import { uniqueName } from '../support/servers.ts';
import { createWorld, inTwoRequests, startRecorder } from '../support/world.ts';

const minuteMs = 60_000;

/** A world in which the objects of `archived` cannot be read, with a clock of its own and every request counted. */
const worldWith = async (archived: Set<string>) => {
  const world = await createWorld();
  const asked: string[] = [];
  const bucket: Bucket = {
    ...world.bucket,
    get: async (key, options) => {
      asked.push(key);
      if (archived.has(key))
        throw new UnreadableError(`read "${key}": the object is archived and must be restored first`);
      return world.bucket.get(key, options);
    },
  };
  const fileManager: FileManager = {
    ...world.client,
    describe: () => (asked.push('describe'), world.client.describe()),
  };
  let minutes = 0;
  const cycleAt = async (minute: number, options = {}) => {
    minutes = minute;
    asked.length = 0;
    const start = Date.UTC(2026, 0, 1);
    const { report } = await world.cycle({ bucket, fileManager, now: () => start + minutes * minuteMs, ...options });
    return { report, asked: asked.filter((what) => what !== 'describe'), silent: asked.length === 0 };
  };
  const list = async () => (await readWaiting(world.workspace().projector.database, 'unreadable')).first;
  return { world, cycleAt, list };
};

test('an object that cannot be read never blocks others, and comes up again on a schedule that grows', async (t) => {
  const { world, cycleAt, list } = await worldWith(new Set(['archived']));
  for (const path of ['archived', 'b', 'c']) await world.put(path, `content of ${path}`);
  const first = await cycleAt(0);
  t.is(first.report.status, 'partial');
  t.deepEqual([first.report.operations.save, first.report.states.unreadable], [2, 1]);
  t.like((await list())[0], { path: 'archived', tries: 1, since: '2026-01-01T00:00:00.000Z' });

  const early = await cycleAt(14);
  t.is(early.report.status, 'idle');
  t.true(early.silent, 'until its time has come, neither side is asked');
  t.deepEqual((await cycleAt(16)).asked, ['archived']);
  t.like((await list())[0], { tries: 2, next_at: '2026-01-01T00:46:00.000Z' });
  t.true((await cycleAt(45)).silent);
  await world.restart();
  t.true((await cycleAt(45)).silent, 'a restart does not forget it');
  t.deepEqual((await cycleAt(47)).asked, ['archived']);
  for (let tries = 4, at = 47; tries < 12; tries++) await cycleAt((at += 24 * 60 + 1));
  const last = (await list())[0];
  t.is(Date.parse(last?.next_at ?? '') - Date.UTC(2026, 0, 1), (47 + 8 * 1441 + 1440) * minuteMs, 'at most a day');
  t.deepEqual(
    (await cycleAt(-1_000_000)).asked,
    ['archived'],
    'a clock that was set back does not make it wait for ever',
  );
  await world.close();
});

test('new content, a delete, or a person asking end the wait', async (t) => {
  const archived = new Set(['a', 'b', 'c']);
  const { world, cycleAt, list } = await worldWith(archived);
  await world.put('a', 'old a');
  archived.delete('a');
  await cycleAt(0);
  archived.add('a');
  for (const path of ['a', 'b', 'c']) await world.put(path, `content of ${path}`);
  t.is((await cycleAt(1)).report.states.unreadable, 3);
  t.is(await (await world.client.read('a')).toArray().then(String), 'old a', 'what it would replace stays');
  archived.clear();
  await world.put('a', 'renewed');
  t.deepEqual((await cycleAt(2)).asked, ['a']);
  await world.writer.delete('b');
  await world.append({ type: 'delete', path: 'b' });
  await cycleAt(3);
  t.deepEqual(
    (await list()).map(({ path }) => path),
    ['c'],
  );
  t.deepEqual((await cycleAt(4, { retryUnreadable: true })).asked, ['c']);
  t.deepEqual(await list(), []);
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('an object whose event is late is told of once, asked for seldom, and carried over with its event', async (t) => {
  const { world, cycleAt } = await worldWith(new Set());
  const recorder = await startRecorder();
  const reportEndpoints = [{ url: recorder.url }];
  await world.put('late', 'announced');
  await world.put('gone', 'announced');
  await world.writer.put('late', Buffer.from('something else'));
  await world.writer.delete('gone');
  t.is((await cycleAt(0, { reportEndpoints })).report.states.superseded, 2);
  t.is(recorder.bodies.length, 1);
  t.is((await world.cycle({ dryRun: true, now: () => Date.UTC(2026, 0, 1) + 30_000 })).waiting, 2);
  t.true((await cycleAt(0.5, { reportEndpoints })).silent, 'until its time has come, neither side is asked');
  await world.restart();
  t.deepEqual((await cycleAt(1.5, { reportEndpoints })).asked.sort(), ['gone', 'late']);
  t.true((await cycleAt(3, { reportEndpoints })).silent);
  t.deepEqual((await cycleAt(4, { reportEndpoints })).asked.length, 2);
  t.is(recorder.bodies.length, 1, 'what is known is not reported again');
  const { stdout } = await runCli(['status'], { DATA_DIR: join(world.folder, 'data') });
  t.regex(
    stdout,
    /Superseded {3}2 objects are not in the bucket as the newest event says;\n +next try .*gone \(3 tries\)/,
  );

  await world.put('late', 'something else');
  await world.append({ type: 'delete', path: 'gone' });
  t.deepEqual((await cycleAt(4, { reportEndpoints })).asked, ['late'], 'its event ends the wait');
  t.is(recorder.bodies.length, 2);
  t.true((await cycleAt(1_000, { reportEndpoints })).silent);
  t.deepEqual(await world.differences(), []);
  recorder.server.close();
  await world.close();
});

test('of an object whose event never comes the bucket is asked, and what stands there carried over', async (t) => {
  const { world, cycleAt } = await worldWith(new Set());
  await world.put('kept', 'old', { permissions: '0600' });
  await world.put('removed', 'old');
  await cycleAt(0);
  // As raced writes end: another one was recorded last than the bucket has kept.
  for (const path of ['changed', 'gone', 'kept', 'removed', 'renamed']) await world.put(path, 'recorded last');
  await world.append({ type: 'rename', path: 'renamed', to: 'elsewhere', key: 'renamed' });
  for (const path of ['changed', 'kept', 'renamed']) await world.writer.put(path, Buffer.from(`kept of ${path}`));
  for (const path of ['gone', 'removed']) await world.writer.delete(path);
  for (const minute of [1, 2.5, 5]) t.is((await cycleAt(minute)).report.states.superseded, 5, `${minute}`);
  const offset = await world.workspace().log.last();
  t.true((await cycleAt(8)).silent, 'until its time has come, neither side is asked');
  await cycleAt(10, { dryRun: true });
  const away = { ...world.bucket, head: () => Promise.reject(new RetryableError('away')) };
  t.is((await cycleAt(10, { bucket: away })).report.states.superseded, 5);
  t.is(
    await world.workspace().log.last(),
    offset,
    'a dry run records nothing, and a bucket that is away tells nothing',
  );

  const { report } = await cycleAt(20);
  t.deepEqual([report.status, report.operations], ['done', { save: 3, delete: 1 }]);
  const { database } = world.workspace().projector;
  const rows = await database.all("SELECT path, key, permissions FROM file WHERE path <> 'changed' ORDER BY path");
  t.deepEqual(rows, [
    { path: 'elsewhere', key: 'renamed', permissions: null },
    { path: 'kept', key: null, permissions: '0600' },
  ]);
  t.true((await cycleAt(1_000)).silent);
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('another bucket than the one known is not asked what became of an object, and a silent one only so often', async (t) => {
  const { world, cycleAt } = await worldWith(new Set());
  await world.put('kept', 'old');
  await cycleAt(0);
  const late = Array.from({ length: 40 }, (_, at) => `late${at}`);
  for (const path of late) {
    await world.put(path, 'announced');
    await world.writer.put(path, Buffer.from('something else'));
  }
  for (const minute of [1, 2.5, 5]) t.is((await cycleAt(minute)).report.states.superseded, 40, `${minute}`);
  const offset = await world.workspace().log.last();
  const access = { ...world.access, bucket: uniqueName('other') };
  const other = createBucketWriter(access);
  await other.create();
  const otherBucket = createBucket(access);
  t.is((await cycleAt(10, { bucket: otherBucket })).report.status, 'held');
  t.is(await world.workspace().log.last(), offset, 'what another bucket lacks is not gone');
  let heads = 0;
  const silent: Bucket = { ...world.bucket, head: () => ((heads += 1), Promise.reject(new RetryableError('away'))) };
  await cycleAt(10, { bucket: silent });
  t.true(heads <= 16 + 15, `${heads}`);
  t.is((await cycleAt(20)).report.operations.save, 40);
  t.deepEqual(await world.differences(), []);
  otherBucket.close();
  other.close();
  await world.close();
});

test('what the bucket answered comes after every event from before it, and before every newer one', async (t) => {
  const { world, cycleAt } = await worldWith(new Set());
  await world.put('a', 'recorded');
  await world.writer.put('a', Buffer.from('stands'));
  for (const minute of [0, 1.5, 4, 9]) await cycleAt(minute);
  t.deepEqual(await world.differences(), []);
  await world.append({ type: 'delete', path: 'a' });
  t.is((await cycleAt(10)).report.status, 'idle', 'an event from before the answer says nothing new');
  await world.writer.delete('a');
  const time = new Date(Date.now() + 60_000).toISOString();
  await world.workspace().log.append([{ id: 'newer', type: 'delete', path: 'a', time, source: 'native' }]);
  t.is((await cycleAt(11)).report.operations.delete, 1);
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('what the bucket answered comes after an event that was dated in the future before', async (t) => {
  const { world, cycleAt } = await worldWith(new Set());
  await world.writer.put('a', Buffer.from('stands'));
  const time = new Date(Date.now() + 3 * 3_600_000).toISOString();
  const ahead = { id: 'ahead', type: 'create', path: 'a', size: 8, etag: 'recorded', time, source: 'native' } as const;
  await world.workspace().log.append([ahead]);
  for (const minute of [0, 1.5, 4]) t.is((await cycleAt(minute)).report.states.superseded, 1);
  t.is((await cycleAt(9)).report.operations.save, 1);
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('an object that changed after its permissions had been set is asked for no oftener', async (t) => {
  const { world, cycleAt } = await worldWith(new Set());
  await world.put('late', 'first', { permissions: '0600' });
  await cycleAt(0);
  await world.put('late', 'announced', { permissions: '0640' });
  const fileManager: FileManager = {
    ...inTwoRequests(world.client),
    saveToDisk: async (path) => {
      await world.writer.put(path, Buffer.from('something else'));
      throw new SupersededError(`${path} changed while it was read`);
    },
  };
  t.is((await cycleAt(1, { fileManager })).report.states.superseded, 1);
  t.deepEqual((await cycleAt(1.2)).asked, ['late'], 'what is under way is finished');
  t.true((await cycleAt(1.4)).silent, 'until its time has come, neither side is asked');
  await world.close();
});

test('what is superseded hides no other news', async (t) => {
  const { world, cycleAt } = await worldWith(new Set());
  const recorder = await startRecorder();
  const reportEndpoints = [{ url: recorder.url }];
  await world.put('late', 'announced');
  await world.writer.put('late', Buffer.from('something else'));
  await cycleAt(0, { reportEndpoints });
  await world.put('b', 'b');
  t.deepEqual((await cycleAt(2, { reportEndpoints })).asked.sort(), ['b', 'late']);
  t.is(recorder.bodies.length, 2);
  recorder.server.close();
  await world.close();
});

test('status and summary tell what could not be read, and what could not be verified', async (t) => {
  const { world, cycleAt } = await worldWith(new Set(['archived']));
  await world.put('archived', 'content');
  await world.put('b', 'content of b');
  const { bucket } = world;
  const unverified: Bucket = {
    ...bucket,
    get: async (key, options) => {
      if (key === 'archived') throw new UnreadableError('read "archived": the object is archived');
      return { ...(await bucket.get(key, options)), verification: 'unverified' };
    },
  };
  const { report } = await cycleAt(0, { bucket: unverified });
  t.is(report.unverified, 1);
  await world.release();
  const { stdout } = await runCli(['status'], { DATA_DIR: join(world.folder, 'data') });
  t.regex(stdout, /Unreadable +1 object, next try 2026-01-01T00:15:00.000Z:\n +archived \(1 try\): .*is archived/);
  t.regex(stdout, /Unverified +1 file of the last cycle/);
  await world.close();
});
