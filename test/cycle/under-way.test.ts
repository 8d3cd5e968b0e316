import test from 'ava';
import { FatalError, RetryableError } from '../../src/errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { createWorld } from '../support/world.ts';

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

test('while the file manager does not say what became of an operation, nothing new is planned', async (t) => {
  const world = await createWorld();
  await world.put('a', 'a');
  const down: FileManager = { ...world.client, saveToDisk: () => Promise.reject(new RetryableError('answered 503')) };
  await world.cycle({ fileManager: down, ...onceOnly });
  await world.put('b', 'b');
  const { report } = await world.cycle({ fileManager: down, ...onceOnly });
  t.is(report.status, 'partial');
  t.deepEqual(report.states, { done: 0, superseded: 0, unreadable: 0, failed: 1, skipped: 0, 'not attempted': 0 });
  await world.restart();
  t.is((await world.cycle()).report.status, 'done');
  t.deepEqual(await world.differences(), []);
  await world.close();
});
