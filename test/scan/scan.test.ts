import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import type { BucketEvent } from '../../events/event.ts';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { UnreadableError } from '../../src/bucket/errors.ts';
import { recall } from '../../src/cycle/memory.ts';
import { RetryableError } from '../../src/errors.ts';
import { type ScanResult, scanBucket } from '../../src/scan/scan.ts';
import { createWorld, type World } from '../support/world.ts';

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

/** The bucket is well, and has no answer about one of its objects: what that one was stored on is lost. */
const failingFor = (bucket: Bucket, failing: string): Bucket => ({
  ...bucket,
  head: async (key, options) => {
    if (key === failing) throw new RetryableError(`ask about "${key}": InternalError`);
    return bucket.head(key, options);
  },
});

const rowsOf = async (world: World): Promise<readonly object[]> => {
  const { projector } = world.workspace();
  await projector.catchUp();
  return projector.database.all('SELECT path, size, permissions FROM file ORDER BY path');
};

const mode = (permissions: string) => ({ metadata: { mode: `0100${permissions.slice(1)}` } });

const scan = async (world: World, prefix?: string): Promise<ScanResult> => {
  const { bucket } = world;
  const result = await scanBucket({
    workspace: world.workspace(),
    bucket,
    metadata: false,
    ...(prefix !== undefined && { prefix }),
  });
  await world.workspace().projector.catchUp();
  return result;
};

test('a file whose key is stated and is its path arrives where it is renamed to', async (t) => {
  const world = await createWorld();
  await world.put('x1', 'content', { key: 'x1' });
  await world.writer.put('z1', Buffer.from('content'));
  await world.writer.delete('x1');
  await world.append({ type: 'rename', path: 'x1', to: 'z1' });
  const { report } = await world.cycle();
  t.deepEqual([report.status, report.states.superseded], ['done', 0]);
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('an object that has left the key its file stands for, for the path itself, is found by a listing', async (t) => {
  const world = await createWorld();
  await world.put('path', 'content', { key: 'key' });
  await world.writer.put('path', Buffer.from('content'));
  const { stale, gone, missing } = await scan(world, 'p');
  t.deepEqual({ stale, gone, missing }, { stale: 0, gone: 0, missing: 0 }, 'nobody has looked for the key');
  t.is((await scan(world)).stale, 1);
  t.is((await scan(world)).stale, 0);
  const { report } = await world.cycle();
  t.deepEqual([report.status, report.states.superseded], ['done', 0]);
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('while the key that a file stands for is in the bucket, an object with the key of its path changes nothing', async (t) => {
  const world = await createWorld();
  for (const [path, key] of [
    ['a', 'z'],
    ['y', 'b'],
  ] as const) {
    await world.writer.put(key, Buffer.from('content'));
    await world.put(path, 'content', { key });
  }
  for (let at = 0; at < 2; at++) {
    const { listed, stale, gone, missing } = await scan(world);
    t.deepEqual({ listed, stale, gone, missing }, { listed: 4, stale: 0, gone: 0, missing: 0 });
  }
  await world.close();
});

test('an object whose metadata or ACL may not be read keeps no listing from its end', async (t) => {
  const world = await createWorld();
  for (const key of ['a', 'b', 'c', 'd']) await world.writer.put(key, Buffer.from(key));
  const refusing = (refused: string, key: string): void => {
    if (key === refused) throw new UnreadableError(`ask about "${key}": access denied`);
  };
  const bucket: Bucket = {
    ...world.bucket,
    head: async (key, options) => (refusing('b', key), world.bucket.head(key, options)),
    aclPermissions: async (key) => (refusing('c', key), '0600'),
  };
  const scanned = await scanBucket({ workspace: world.workspace(), bucket, metadata: true, acl: true });
  t.like(scanned, { missing: 4, unread: 2, complete: true });
  t.is((await world.cycle()).report.operations.save, 4);
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('an object that the bucket has no answer about keeps no other from being listed', async (t) => {
  const world = await createWorld();
  t.teardown(world.close);
  for (const key of ['a', 'b', 'c']) await world.writer.put(key, Buffer.from(key), mode('0600'));
  const options = { workspace: world.workspace(), metadata: true };
  const failing = failingFor(world.bucket, 'b');
  t.like(await scanBucket({ ...options, bucket: failing }), { missing: 3, unread: 1, complete: true });
  t.deepEqual(await rowsOf(world), [
    { path: 'a', size: 1, permissions: '0600' },
    { path: 'b', size: 1, permissions: null },
    { path: 'c', size: 1, permissions: '0600' },
  ]);
  t.false((await recall(world.workspace().log.database)).unlisted);
  t.is((await scanBucket({ ...options, bucket: failing })).unread, 0);
  await world.cycle();
  for await (const { path, permissions } of world.client.list()) t.is(permissions, '0600', `${path}: with its content`);
});

test('an object that the bucket has no answer about is not recorded where permissions of another one would stay', async (t) => {
  const world = await createWorld();
  t.teardown(world.close);
  const options = { workspace: world.workspace(), metadata: true };
  const failing = failingFor(world.bucket, 'b');
  await world.writer.put('b', Buffer.from('b'), mode('0644'));
  await scanBucket({ ...options, bucket: world.bucket });
  await world.writer.put('b', Buffer.from('secret'), mode('0600'));
  t.like(await scanBucket({ ...options, bucket: failing }), { stale: 0, overtaken: 0, unread: 1, complete: true });
  t.deepEqual(await rowsOf(world), [{ path: 'b', size: 1, permissions: '0644' }]);
  t.like(await scanBucket({ ...options, bucket: world.bucket }), { stale: 1, unread: 0 });
  t.deepEqual(await rowsOf(world), [{ path: 'b', size: 6, permissions: '0600' }]);
  await world.writer.put('c', Buffer.from('c'));
  const forAcl = { ...options, bucket: failingFor(world.bucket, 'c'), acl: true };
  t.like(await scanBucket(forAcl), { missing: 0, unread: 1 }, 'a save does not ask for it');
});

test('nor is it where the permissions are those that the file manager has', async (t) => {
  const world = await createWorld();
  t.teardown(world.close);
  await world.writer.put('b', Buffer.from('b'), mode('0644'));
  await world.append({ type: 'create', path: 'b', size: 1, etag: md5('b') });
  await world.cycle();
  const options = { workspace: world.workspace(), bucket: failingFor(world.bucket, 'b'), metadata: true };
  t.deepEqual(await rowsOf(world), [{ path: 'b', size: 1, permissions: null }]);
  await world.writer.put('b', Buffer.from('secret'), mode('0600'));
  t.like(await scanBucket(options), { stale: 0, unread: 1 });
  t.deepEqual(await rowsOf(world), [{ path: 'b', size: 1, permissions: null }]);
});

test('until the first listing leaves out no object, the bucket is not known to have been listed', async (t) => {
  const world = await createWorld();
  t.teardown(world.close);
  await world.writer.put('b', Buffer.from('b'));
  const options = { workspace: world.workspace(), metadata: true, acl: true };
  const bucket: Bucket = { ...world.bucket, aclPermissions: async () => '0600' };
  const isListed = async () => (await recall(world.workspace().log.database)).unlisted === false;
  await scanBucket({ ...options, bucket: failingFor(bucket, 'b') });
  t.false(await isListed());
  await scanBucket({ ...options, bucket });
  t.true(await isListed());
});

test('what stands behind a file that the bucket has no answer about is found gone', async (t) => {
  const world = await createWorld();
  t.teardown(world.close);
  for (const path of ['a', 'b', 'c']) await world.append({ type: 'create', path, size: 1, etag: 'x' });
  const bucket = failingFor(world.bucket, 'b');
  const scanned = await scanBucket({ workspace: world.workspace(), bucket, metadata: false });
  t.like(scanned, { gone: 2, unlisted: 1, complete: true });
  t.deepEqual(await rowsOf(world), [{ path: 'b', size: 1, permissions: null }]);
});

test('a bucket that is away ends a listing when it is asked about an object', async (t) => {
  const world = await createWorld();
  t.teardown(world.close);
  await world.writer.put('b', Buffer.from('b'));
  const check = () => Promise.reject(new RetryableError('the bucket is away'));
  const bucket: Bucket = { ...failingFor(world.bucket, 'b'), check };
  const options = { workspace: world.workspace(), bucket, metadata: true };
  await t.throwsAsync(scanBucket(options), { instanceOf: RetryableError, message: 'the bucket is away' });
  t.deepEqual(await rowsOf(world), []);
});

test('what a listing lacks, and is there all the same, is not gone', async (t) => {
  const world = await createWorld();
  for (const path of ['a', 'b', 'c', 'd']) await world.put(path, path);
  await world.cycle();
  await world.writer.delete('c');
  const lacking: Bucket = {
    ...world.bucket,
    list: async function* (options) {
      for await (const page of world.bucket.list(options))
        yield { ...page, objects: page.objects.filter(({ key }) => key === 'a') };
    },
    head: async (key, options) => {
      if (key === 'd') throw new UnreadableError('ask about "d": access denied');
      return world.bucket.head(key, options);
    },
  };
  const scanned = await scanBucket({ workspace: world.workspace(), bucket: lacking, metadata: false });
  t.like(scanned, { listed: 1, gone: 2, unlisted: 1 }, 'of what cannot be asked about the listing tells');
  await world.cycle();
  t.deepEqual(await world.differences(), ['-- d the projection lacks it']);
  const isAway = () => Promise.reject(new RetryableError('the bucket is away'));
  const away: Bucket = { ...lacking, head: isAway, check: isAway };
  await t.throwsAsync(scanBucket({ workspace: world.workspace(), bucket: away, metadata: false }), {
    message: 'the bucket is away',
  });
  await world.close();
});

test('a listing is taken at its word about many objects only where it was right about the first of them', async (t) => {
  const world = await createWorld();
  const files = Array.from({ length: 11_000 }, (_, at) => String(at).padStart(5, '0'));
  const create = (path: string): BucketEvent => ({
    id: path,
    type: 'create',
    time: '2026-01-01T00:00:00Z',
    path,
    size: 1,
    source: 'native',
  });
  await world.workspace().log.append(files.map(create));
  let asked = 0;
  const empty = (standing: string): Bucket => ({
    ...world.bucket,
    list: async function* () {
      yield { objects: [], observedAt: new Date().toISOString(), last: true };
    },
    head: async (key) => {
      asked += 1;
      const now = new Date().toISOString();
      return key >= standing ? { key, size: 1, etag: '', modifiedAt: now, observedAt: now } : undefined;
    },
  });
  const scanned = (standing: string) =>
    scanBucket({ workspace: world.workspace(), bucket: empty(standing), metadata: false, dryRun: true });
  t.like(await scanned('10500'), { gone: 11_000, unlisted: 0 });
  t.is(asked, 10_000);
  t.like(await scanned('09500'), { gone: 9_500, unlisted: 1_500 });
  await world.close();
});

test('a row whose key was listed for another path is gone without a question', async (t) => {
  const world = await createWorld();
  await world.writer.put('k', Buffer.from('content'));
  await world.append({ type: 'create', path: 'p1', key: 'k', size: 7, etag: md5('content') });
  await world.append({ type: 'create', path: 'p2', key: 'k', size: 7, etag: md5('content') });
  t.like(await scan(world), { listed: 1, gone: 1, unlisted: 0 });
  await world.cycle();
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('a stop while it is asked about what a listing lacks ends the listing as any other', async (t) => {
  const world = await createWorld();
  for (const path of ['a', 'b']) await world.put(path, path);
  await world.writer.delete('b');
  const stop = new AbortController();
  const bucket: Bucket = {
    ...world.bucket,
    head: async () => {
      stop.abort();
      throw stop.signal.reason;
    },
  };
  const options = { workspace: world.workspace(), bucket, metadata: false, signal: stop.signal };
  t.like(await scanBucket(options), { listed: 1, gone: 0, complete: false });
  const { listings } = await recall(world.workspace().log.database);
  t.truthy(listings?.[0]?.to, 'events from now on are none near a listing');
  await world.close();
});

test("a folder's marker that has content by now is no folder any more", async (t) => {
  const world = await createWorld();
  await world.put('d/', '');
  await world.cycle();
  await world.writer.put('d/', Buffer.from('content'));
  t.like(await scan(world), { gone: 1, unlisted: 0, unrepresentable: 1 });
  await world.close();
});

test("a key that begins with a word of the ids of another event stands in no path's way", async (t) => {
  const world = await createWorld();
  await world.put('x', 'content of x');
  await world.cycle();
  await world.writer.delete('x');
  await world.writer.put('gone:x', Buffer.from('content'));
  const { missing, gone, overtaken } = await scan(world);
  t.deepEqual({ missing, gone, overtaken }, { missing: 1, gone: 1, overtaken: 0 });
  await world.cycle();
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('a file that comes to a place which the listing has passed is not gone', async (t) => {
  const world = await createWorld();
  for (const path of ['a', 'b', 'z']) await world.put(path, path);
  await world.writer.delete('a');
  const pages = [
    { keys: ['b'], observedAt: '2030-01-01T00:00:10Z', last: false },
    { keys: ['z'], observedAt: '2030-01-01T00:00:30Z', last: true },
  ];
  const object = (key: string) => ({ key, size: 1, etag: md5(key), modifiedAt: '2026-01-01T00:00:00Z' });
  const { log, projector } = world.workspace();
  await scanBucket({
    workspace: world.workspace(),
    bucket: {
      ...world.bucket,
      list: async function* () {
        for (const { keys, ...page } of pages) yield { ...page, objects: keys.map(object) };
      },
    },
    metadata: false,
  });
  const paths = async (): Promise<readonly unknown[]> => {
    await projector.catchUp();
    return (await projector.database.all<{ path: string }>('SELECT path FROM file ORDER BY path')).map(
      ({ path }) => path,
    );
  };
  t.deepEqual(await paths(), ['b', 'z'], 'it had been deleted without a word until then');
  const native = { type: 'create', source: 'native', size: 1, etag: md5('a') } as const;
  await log.append([{ ...native, id: 'again', path: 'a', time: '2030-01-01T00:00:20Z' }]);
  t.deepEqual(await paths(), ['a', 'b', 'z']);
  await world.close();
});

test('permissions that changed alone, and that no event told of, are found by a listing, with one question', async (t) => {
  const world = await createWorld();
  const put = (mode: string): Promise<void> =>
    world.writer.put('a', Buffer.from('content'), { metadata: { mode: String(Number.parseInt(`100${mode}`, 8)) } });
  let asked = 0;
  const bucket: Bucket = { ...world.bucket, head: (...of) => ((asked += 1), world.bucket.head(...of)) };
  const listed = async (): Promise<ScanResult & { asked: number }> => {
    asked = 0;
    const result = await scanBucket({ workspace: world.workspace(), bucket, metadata: true });
    return { ...result, asked };
  };
  await put('644');
  t.like(await listed(), { missing: 1, asked: 1 });
  await world.cycle();
  t.like(await listed(), { stale: 0, asked: 0 }, 'what was seen as it is now is not asked about');
  // The times of answers have whole seconds.
  await setTimeout(1_100);
  await put('600');
  t.like(await listed(), { stale: 1, overtaken: 0, asked: 1 });
  t.like(await listed(), { stale: 0, asked: 0 });
  t.deepEqual((await world.cycle()).report.operations, { update_permissions: 1 });
  const { mode } = await stat(join(world.folder, 'files', 'a'));
  t.is(mode & 0o777, 0o600);
  await world.close();
});
