import { createHash } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { UnreadableError } from '../../src/bucket/errors.ts';
import { RetryableError } from '../../src/errors.ts';
import { takeIn } from '../../src/intake/intake.ts';
import { createWorld } from '../support/world.ts';

const modeOf = (mode: number) => ({ metadata: { mode: String(0o100000 + mode) } });

const started = async (t: ExecutionContext) => {
  const world = await createWorld();
  t.teardown(world.close);
  const { log, projector } = world.workspace();
  const asked: string[] = [];
  let problem: Error | undefined;
  let failing: string | undefined;
  let checks = 0;
  let isAway = false;
  const bucket: typeof world.bucket = {
    ...world.bucket,
    head: async (key, options) => {
      asked.push(key);
      if (problem || key === failing) throw problem ?? new RetryableError(`ask about "${key}": InternalError`);
      return world.bucket.head(key, options);
    },
    get: async (key, options) => {
      if (key === failing) throw new RetryableError(`read "${key}": InternalError`);
      return world.bucket.get(key, options);
    },
    check: async (options) => {
      checks += 1;
      // It is back before the cycle asks once more.
      if (problem instanceof RetryableError && checks === 1) throw problem;
      return world.bucket.check(options);
    },
    identify: async (options) => {
      if (isAway) throw new RetryableError('the bucket is away');
      return world.bucket.identify(options);
    },
  };
  let sequencer = 0;
  /** What S3 tells of an object: nothing of its metadata. */
  const tell = async (eventName: string, key: string, text?: string): Promise<void> => {
    sequencer += 1;
    const record = {
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      eventTime: new Date(Date.UTC(2026, 0, 1) + sequencer * 1_000).toISOString(),
      eventName,
      responseElements: { 'x-amz-request-id': String(sequencer) },
      s3: {
        bucket: { name: world.bucket.name },
        object: {
          key,
          sequencer: sequencer.toString(16),
          ...(text !== undefined && { size: text.length, eTag: createHash('md5').update(text).digest('hex') }),
        },
      },
    };
    const body = Buffer.from(JSON.stringify({ Records: [record] }));
    await takeIn([{ deliveryId: String(sequencer), message: { body, attributes: {} } }], {
      log,
      sourceName: 'test',
      bucket,
      permissions: { files: projector.database, acl: false },
      views: projector.database,
    });
    await projector.catchUp();
  };
  const put = async (key: string, text: string, mode?: number): Promise<void> => {
    await world.writer.put(key, Buffer.from(text), mode === undefined ? {} : modeOf(mode));
    await tell('ObjectCreated:Put', key, text);
  };
  const remove = async (key: string): Promise<void> => {
    await world.writer.delete(key);
    await tell('ObjectRemoved:Delete', key);
  };
  /** Runs a cycle; resolves with what it did. */
  const cycle = async (fileManager = world.client): Promise<object> => {
    asked.length = 0;
    checks = 0;
    const retry = { attemptsMax: 2, baseMs: 1 };
    return (await world.cycle({ bucket, fileManager, metadata: true, retry })).report.operations;
  };
  const permissions = async (): Promise<Record<string, string | null>> => {
    const found: Record<string, string | null> = {};
    for await (const { path, permissions } of world.client.list()) found[path] = permissions;
    return found;
  };
  return {
    world,
    put,
    remove,
    cycle,
    permissions,
    asked,
    failWith: (error?: Error) => void (problem = error),
    failFor: (key?: string) => void (failing = key),
    setAway: (away: boolean) => void (isAway = away),
  };
};

test('an object that is taken for a renamed file has the permissions that its metadata states', async (t) => {
  const { put, remove, cycle, permissions } = await started(t);
  await put('a', 'content', 0o644);
  await cycle();
  t.deepEqual(await permissions(), { a: '0644' });
  await put('b', 'content', 0o600);
  await remove('a');
  t.deepEqual(await cycle(), { rename: 1, update_permissions: 1 });
  t.deepEqual(await permissions(), { b: '0600' });
});

test('an object that is written anew has the permissions that its metadata states now, and else those that it had', async (t) => {
  const { put, cycle, permissions } = await started(t);
  await put('a', 'content', 0o644);
  await cycle();
  await put('a', 'other content', 0o600);
  t.deepEqual(await cycle(), { save: 1 });
  t.deepEqual(await permissions(), { a: '0600' });
  await put('a', 'content of nobody in particular');
  t.deepEqual(await cycle(), { save: 1 });
  t.deepEqual(await permissions(), { a: '0600' });
});

test('an object that comes back with the content that it had has the permissions that its metadata states now', async (t) => {
  const { put, remove, cycle, permissions } = await started(t);
  await put('a', 'content', 0o644);
  await cycle();
  await remove('a');
  await put('a', 'content', 0o600);
  t.deepEqual(await cycle(), { update_permissions: 1 });
  t.deepEqual(await permissions(), { a: '0600' });
});

test('until the bucket answers nothing is renamed; an object that may not be asked about is', async (t) => {
  const { put, remove, cycle, permissions, asked, failWith, setAway } = await started(t);
  await put('a', 'content', 0o644);
  await put('other', 'other content', 0o644);
  await cycle();
  t.deepEqual(asked, []);
  await put('b', 'content', 0o600);
  await put('new', 'new content', 0o600);
  await remove('a');
  setAway(true);
  await t.throwsAsync(cycle(), { instanceOf: RetryableError, message: 'the bucket is away' });
  setAway(false);
  failWith(new RetryableError('slow down'));
  await t.throwsAsync(cycle(), { instanceOf: RetryableError, message: 'slow down' });
  t.deepEqual(await permissions(), { a: '0644', other: '0644' });
  failWith(new UnreadableError('access denied'));
  t.deepEqual(await cycle(), { rename: 1, save: 1 });
  t.deepEqual(asked, ['b'], 'of what is saved the permissions come with the content');
  t.deepEqual(await permissions(), { b: '0644', new: '0600', other: '0644' });
});

test('an object that states no permissions is asked about once, however long its rename waits', async (t) => {
  const { world, put, remove, cycle, asked } = await started(t);
  await put('a', 'content');
  await cycle();
  await put('b', 'content');
  await remove('a');
  const away: typeof world.client = { ...world.client, rename: () => Promise.reject(new RetryableError('away')) };
  t.deepEqual(await cycle(away), {});
  t.deepEqual(asked, ['b']);
  t.deepEqual(await cycle(away), {});
  t.deepEqual(asked, []);
});

test('while the bucket has no answer about an object, only what that one may be renamed from waits for it', async (t) => {
  const { put, remove, cycle, permissions, asked, failFor } = await started(t);
  await put('a', 'content', 0o644);
  await cycle();
  await put('b', 'content', 0o600);
  await put('elsewhere', 'other content', 0o644);
  await remove('a');
  failFor('b');
  t.deepEqual(await cycle(), { save: 1 });
  t.deepEqual(await permissions(), { a: '0644', elsewhere: '0644' }, 'the last copy of its content stays');
  t.deepEqual(await cycle(), {});
  t.deepEqual(asked, ['b', 'b'], 'twice: the bucket may have been away for a moment');
  failFor();
  const ended = await cycle();
  await cycle();
  t.deepEqual(await permissions(), { b: '0600', elsewhere: '0644' }, JSON.stringify(ended));
});

test('a file that gets other content is saved, though an object without an answer has its former one', async (t) => {
  const { put, remove, cycle, permissions, failFor } = await started(t);
  await put('a', 'content', 0o644);
  await cycle();
  await put('b', 'content', 0o600);
  await remove('a');
  await put('a', 'new content', 0o644);
  failFor('b');
  t.deepEqual(await cycle(), { save: 1 });
  t.deepEqual(await permissions(), { a: '0644' });
  failFor();
  await cycle();
  t.deepEqual(await permissions(), { a: '0644', b: '0600' });
});

test('a file that may have been renamed to an object without an answer gives way to the folder of its name', async (t) => {
  const { put, remove, cycle, permissions, failFor } = await started(t);
  await put('a', 'content', 0o644);
  await cycle();
  await put('b', 'content', 0o600);
  await remove('a');
  await put('a/c', 'other content', 0o644);
  failFor('b');
  t.deepEqual(await cycle(), { delete: 1, save: 1 });
  t.deepEqual(await permissions(), { 'a/c': '0644' });
});
