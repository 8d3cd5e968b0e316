import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { summaryOf } from '../../src/commands/summary.ts';
import { FatalError, RetryableError, SupersededError } from '../../src/errors.ts';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { FailedAnswerError, StopError } from '../../src/file-manager/client-errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { answer, startProxy } from '../apply/real.ts';
import { createWorld, inTwoRequests } from '../support/world.ts';

const onceOnly = { concurrency: 1, retry: { attemptsMax: 1 } };

test('a file that was saved without a confirmation, and is then gone from the bucket, does not stay', async (t) => {
  const world = await createWorld();
  await world.put('stays', 'one');
  await world.put('goes', 'two');
  const unconfirmed: FileManager = {
    ...world.client,
    saveToDisk: async (path, content, options) => {
      await world.client.saveToDisk(path, content, options);
      if (path === 'goes') throw new RetryableError('the connection was lost before the answer');
    },
  };
  t.is((await world.cycle({ fileManager: unconfirmed, ...onceOnly })).report.status, 'partial');
  await world.writer.delete('goes');
  await world.append({ type: 'delete', path: 'goes' });
  await world.cycle();
  await world.cycle();
  t.deepEqual(await world.differences(), []);
  t.is((await world.cycle()).report.status, 'idle');
  await world.close();
});

test('content that was replaced without a confirmation, and is then put back, is put back', async (t) => {
  const world = await createWorld();
  await world.put('a', 'first');
  await world.cycle();
  await world.put('a', 'other');
  const unconfirmed: FileManager = {
    ...world.client,
    saveToDisk: async (path, content, options) => {
      await world.client.saveToDisk(path, content, options);
      throw new RetryableError('the connection was lost before the answer');
    },
  };
  await world.cycle({ fileManager: unconfirmed, ...onceOnly });
  await world.put('a', 'first');
  await world.cycle();
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('a whole folder that was renamed without a confirmation is not uploaded again', async (t) => {
  const world = await createWorld();
  for (let at = 0; at < 5; at += 1) await world.put(`old/${at}`, `content ${at}`);
  await world.cycle();
  for (let at = 0; at < 5; at += 1) {
    await world.writer.put(`new/${at}`, Buffer.from(`content ${at}`));
    await world.writer.delete(`old/${at}`);
  }
  await world.append({ type: 'rename', path: 'old/', to: 'new/' });
  const unconfirmed: FileManager = {
    ...world.client,
    rename: async (path, to, options) => {
      await world.client.rename(path, to, options);
      throw new RetryableError('the connection was lost before the answer');
    },
  };
  await world.cycle({ fileManager: unconfirmed, ...onceOnly });
  const neverSaves: FileManager = { ...world.client, saveToDisk: () => Promise.reject(new FatalError('an upload')) };
  t.is((await world.cycle({ fileManager: neverSaves })).report.status, 'idle');
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('what took the place of a renamed file stays there, although the rename is repeated and its key forgotten', async (t) => {
  const world = await createWorld();
  await world.put('a', 'first');
  await world.cycle();
  await world.writer.put('b', Buffer.from('first'));
  await world.append({ type: 'rename', path: 'a', to: 'b' });
  await world.put('a', 'second');
  const { log, ...rest } = world.workspace();
  const saved = Promise.withResolvers<void>();
  const watched: FileManager = {
    ...world.client,
    saveToDisk: async (path, content, options) => {
      await world.client.saveToDisk(path, content, options);
      saved.resolve();
    },
  };
  // The disk takes its time to say so: enough of it for the save, if that does not wait.
  const append = async (): Promise<never> => {
    await Promise.race([saved.promise, sleep(500)]);
    throw new FatalError('the disk is full');
  };
  await t.throwsAsync(world.cycle({ workspace: { ...rest, log: { ...log, append } }, fileManager: watched }), {
    message: 'the disk is full',
  });
  const forgetful: FileManager = {
    ...world.client,
    rename: (path, to, options) =>
      world.client.rename(path, to, { ...options, idempotencyKey: `${options.idempotencyKey}:anew` }),
  };
  await world.cycle({ fileManager: forgetful });
  await world.cycle({ fileManager: forgetful });
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('permissions of a content that changed while it was read do not stay with the old content', async (t) => {
  const world = await createWorld();
  await world.put('a', 'first', { permissions: '0600' });
  await world.cycle();
  await world.put('a', 'other', { permissions: '0644' });
  const changing: Bucket = {
    ...world.bucket,
    get: async (key, options) => ({
      ...(await world.bucket.get(key, options)),
      body: Readable.from(
        (async function* () {
          yield Buffer.from('o');
          throw new SupersededError('a changed while it was read');
        })(),
        { objectMode: false },
      ),
    }),
  };
  t.is((await world.cycle({ bucket: changing, fileManager: inTwoRequests(world.client) })).report.states.superseded, 1);
  await world.put('a', 'first', { permissions: '0600' });
  await world.cycle();
  t.deepEqual(await world.differences(), []);
  t.is((await world.cycle()).report.status, 'idle');
  await world.close();
});

test('a file manager that says nothing to anything is asked only what became of the operations under way', async (t) => {
  const world = await createWorld();
  await world.put('a', 'a');
  const asked: string[] = [];
  const saveToDisk = (path: string): Promise<never> => {
    asked.push(path);
    return Promise.reject(new RetryableError('answered 503'));
  };
  await world.cycle({ fileManager: { ...world.client, saveToDisk }, ...onceOnly });
  await world.put('b', 'b');
  const down: FileManager = {
    ...world.client,
    saveToDisk,
    describe: () => Promise.reject(new RetryableError('answered 503')),
  };
  await t.throwsAsync(world.cycle({ fileManager: down, ...onceOnly }), { message: 'answered 503' });
  t.deepEqual(asked, ['a', 'a']);
  await world.restart();
  t.is((await world.cycle({ retryUnreadable: true })).report.status, 'done');
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('while a wrong token keeps the operations under way from being finished, nothing new is begun', async (t) => {
  const world = await createWorld();
  await world.put('a', 'a');
  const silent: FileManager = { ...world.client, saveToDisk: () => Promise.reject(new RetryableError('no answer')) };
  await world.cycle({ fileManager: silent, ...onceOnly });
  await world.put('b', 'b');
  const refused = new StopError('unauthorized', 'answered 401');
  const { report } = await world.cycle({
    fileManager: { ...world.client, saveToDisk: () => Promise.reject(refused) },
    ...onceOnly,
  });
  t.like(report, { status: 'partial', stopped: 'answered 401', plan: null });
  t.deepEqual(report.states, { done: 0, superseded: 0, unreadable: 0, failed: 1, skipped: 0, 'not attempted': 0 });
  await world.cycle({ retryUnreadable: true });
  t.deepEqual(await world.differences(), []);
  await world.close();
});

const lastingFailures = [
  {
    title: 'answers with a lie',
    spoil: ({ body }: { body: string }) => ({ status: 200, body: body.replace('"path":"bad"', '"path":"else"') }),
  },
  {
    title: 'answers with 500, whether it did it or not',
    spoil: () => ({ status: 500, body: '{"title":"lost my head"}' }),
  },
];
for (const { title, spoil } of lastingFailures) {
  test(`a path of which the file manager always ${title} never keeps others waiting, nor fills the log`, async (t) => {
    const world = await createWorld();
    let isBad = true;
    const url = await startProxy(t, world.server.url, async (request, response, forward) => {
      if (!isBad || request.url !== '/saveToDisk?path=bad') return false;
      const { status, body } = spoil(await forward());
      return answer(response, status, body);
    });
    const fileManager = createFileManagerClient({ baseUrl: url });
    await world.put('bad', 'x');
    const logged: number[] = [];
    for (let at = 0; at < 4; at++) {
      await world.put(`good${at}`, 'content');
      const { report } = await world.cycle({ fileManager, ...onceOnly });
      t.deepEqual([report.status, report.states.failed, report.states.done], ['partial', 1, 1]);
      logged.push(await world.workspace().log.last());
    }
    t.deepEqual(
      logged.map((last, at) => last - (logged[at - 1] ?? last - 2)),
      [2, 3, 2, 2],
      'each cycle logs the event and the outcome of the good one, and once that the other is not known',
    );
    isBad = false;
    t.is(
      (await world.cycle({ fileManager })).report.status,
      'idle',
      'what is under way is finished as soon as it can be',
    );
    t.deepEqual(await world.differences(), []);
    await world.close();
  });
}

test('a folder that is never confirmed leaves what is in it alone, and does not stay once it is gone from the bucket', async (t) => {
  const world = await createWorld();
  await world.put('d/a', 'content');
  await world.cycle();
  await world.writer.put('d/', Buffer.from(''));
  await world.append({ type: 'create', path: 'd/', size: 0 });
  const saved: string[] = [];
  const losing: FileManager = {
    ...world.client,
    saveToDisk: async (path, content, options) => {
      saved.push(path);
      await world.client.saveToDisk(path, content, options);
      throw new FailedAnswerError('answered 500');
    },
  };
  for (let at = 0; at < 3; at++) await world.cycle({ fileManager: losing, ...onceOnly });
  t.deepEqual([...new Set(saved)], ['d/']);
  await world.writer.delete('d/');
  await world.append({ type: 'delete', path: 'd/', scope: 'marker' });
  await world.cycle({ fileManager: losing, ...onceOnly });
  await world.cycle();
  t.deepEqual(await world.differences(), []);
  t.is((await world.cycle()).report.status, 'idle');
  await world.close();
});

test('a cycle whose deletes were all of an earlier plan names no plan to undo', async (t) => {
  const world = await createWorld();
  for (const path of ['a', 'b']) await world.put(path, path);
  await world.cycle();
  await world.writer.delete('a');
  await world.append({ type: 'delete', path: 'a' });
  await world.put('b', 'other');
  const down = () => Promise.reject(new RetryableError('answered 503'));
  await world.cycle({
    fileManager: { ...world.client, saveToDisk: down, delete: down },
    concurrency: 2,
    retry: { attemptsMax: 1 },
  });
  await world.put('c', 'c');
  const { report } = await world.cycle({ fileManager: { ...world.client, saveToDisk: down }, ...onceOnly });
  t.like(report, { status: 'partial', operations: { delete: 1 } });
  t.notRegex(summaryOf(report), /undo/);
  await world.cycle({ retryUnreadable: true });
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('a folder whose permissions were asked for without an answer gets them', async (t) => {
  const world = await createWorld();
  await world.writer.put('d/', Buffer.from(''));
  await world.append({ type: 'create', path: 'd/', size: 0, permissions: '0750' });
  const silent: FileManager = {
    ...inTwoRequests(world.client),
    updatePermissions: () => Promise.reject(new RetryableError('no answer')),
  };
  await world.cycle({ fileManager: silent, ...onceOnly });
  const asked: [string, string, boolean | undefined][] = [];
  const watched: FileManager = {
    ...world.client,
    updatePermissions: async (path, permissions, options) => {
      asked.push([path, permissions, options.recursive]);
      await world.client.updatePermissions(path, permissions, options);
    },
  };
  await world.cycle({ fileManager: watched });
  t.deepEqual(asked, [['d/', '0750', false]]);
  t.deepEqual(await world.differences(), []);
  t.is((await world.cycle()).report.status, 'idle');
  await world.close();
});

test('deletes are carried out although a save before them finds the disk of the file manager full', async (t) => {
  const world = await createWorld();
  await world.put('old', 'takes up space');
  await world.cycle();
  let isFull = true;
  const url = await startProxy(t, world.server.url, async (request, response, forward) => {
    if (isFull && request.url?.startsWith('/saveToDisk')) {
      request.resume();
      return answer(response, 507, '{"title":"The disk is full"}');
    }
    if (request.url !== '/delete') return false;
    const { status, body } = await forward();
    isFull = false;
    return answer(response, status, body);
  });
  const fileManager = createFileManagerClient({ baseUrl: url });
  await world.put('new', 'needs the space');
  t.is((await world.cycle({ fileManager, ...onceOnly })).report.status, 'partial');
  await world.writer.delete('old');
  await world.append({ type: 'delete', path: 'old' });
  await world.cycle({ fileManager, ...onceOnly });
  await world.cycle({ fileManager, ...onceOnly });
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('a full disk of the file manager keeps no delete of the same cycle waiting, and the saves follow', async (t) => {
  const world = await createWorld();
  for (const name of ['old1', 'old2']) await world.put(name, 'takes up space');
  await world.cycle();
  let deleted = 0;
  const url = await startProxy(t, world.server.url, async (request, response, forward) => {
    if (deleted < 2 && request.url?.startsWith('/saveToDisk'))
      return answer(response, 507, '{"title":"The disk is full"}');
    if (request.url !== '/delete') return false;
    const { status, body } = await forward();
    deleted += 1;
    return answer(response, status, body);
  });
  for (let at = 0; at < 30; at++) await world.put(`new${at}`, 'x'.repeat(100_000));
  for (const name of ['old1', 'old2']) {
    await world.writer.delete(name);
    await world.append({ type: 'delete', path: name });
  }
  const { report } = await world.cycle({ fileManager: createFileManagerClient({ baseUrl: url }) });
  t.is(report.status, 'done');
  t.deepEqual(report.operations, { save: 30, delete: 2 });
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('an object that the bucket always fails to give never keeps others waiting, nor fills the log', async (t) => {
  const world = await createWorld();
  const broken = (): Readable =>
    Readable.from(
      (async function* () {
        yield Buffer.from('x');
        throw new RetryableError('the bytes that came do not have the MD5 that the bucket states');
      })(),
      { objectMode: false },
    );
  const bucket: Bucket = {
    ...world.bucket,
    get: async (key, options) => {
      if (key === 'bad/unopened') throw new RetryableError('answered 500');
      const object = await world.bucket.get(key, options);
      if (key !== 'bad/broken') return object;
      object.body.destroy();
      return { ...object, body: broken() };
    },
  };
  await world.put('bad/unopened', 'unopened');
  await world.put('bad/broken', 'broken');
  const logged: number[] = [];
  for (let at = 0; at < 4; at++) {
    await world.put(`good${at}`, 'content');
    const { report } = await world.cycle({ bucket, retry: { attemptsMax: 2, baseMs: 0 } });
    t.deepEqual([report.status, report.states.failed, report.states.done], ['partial', 2, 1]);
    logged.push(await world.workspace().log.last());
  }
  t.deepEqual(logged, [4, 6, 8, 10], 'each cycle logs the event and the outcome of the good one');
  t.is((await world.cycle()).report.status, 'done');
  t.deepEqual(await world.differences(), []);
  await world.close();
});
