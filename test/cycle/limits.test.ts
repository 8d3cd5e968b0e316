import test from 'ava';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { ConfigError, RetryableError } from '../../src/errors.ts';
import { FailedAnswerError } from '../../src/file-manager/client-errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { createWorld } from '../support/world.ts';

test("a cycle's limits on speed, attempts and failures reach the executor", async (t) => {
  const world = await createWorld();
  for (let at = 0; at < 12; at++) await world.put(`f${at}`, `content ${at}`);
  await t.throwsAsync(world.cycle({ pace: { requestsPerSecond: 0 } }), { instanceOf: ConfigError });
  let attempts = 0;
  const down: FileManager = {
    ...world.client,
    saveToDisk: () => {
      attempts += 1;
      return Promise.reject(new RetryableError('answered 503'));
    },
  };
  const budget = await world.cycle({ fileManager: down, concurrency: 1, retry: { attemptsMax: 1 }, failuresMax: 5 });
  t.is(attempts, 5);
  t.regex(budget.report.stopped ?? '', /5 operations failed, more than succeeded/);
  attempts = 0;
  const { report } = await world.cycle({
    fileManager: down,
    concurrency: 1,
    retry: { attemptsMax: 1 },
    breaker: { failuresMax: 2, openMs: 1, openMsMax: 1, probesMax: 1 },
  });
  t.is(attempts, 3, 'two failures open the breaker, one probe fails, and the cycle ends');
  t.regex(report.stopped ?? '', /failed again and again/);
  t.is((await world.cycle({ retryUnreadable: true })).report.status, 'done');
  t.deepEqual(await world.differences(), []);
  await world.close();
});

/** Two failures in a row open the breaker, and its first probe ends the cycle: after three paths. */
const impatient = {
  concurrency: 1,
  retry: { attemptsMax: 1 },
  breaker: { failuresMax: 2, openMs: 1, openMsMax: 1, probesMax: 1 },
};

for (const side of ['bucket', 'file manager'])
  test(`paths that always fail in the ${side}, more than the breaker bears, keep nothing waiting for good`, async (t) => {
    const world = await createWorld();
    const bad = new Set(Array.from({ length: 7 }, (_, at) => `a/${at}`));
    let failures = 0;
    const failing = (path: string, at: string): boolean => {
      if (side !== at || !bad.has(path)) return false;
      failures += 1;
      return true;
    };
    const bucket: Bucket = {
      ...world.bucket,
      get: async (key, options) => {
        if (failing(key, 'bucket')) throw new RetryableError('answered 500');
        return world.bucket.get(key, options);
      },
    };
    const fileManager: FileManager = {
      ...world.client,
      saveToDisk: async (path, content, options) => {
        if (failing(path, 'file manager')) throw new FailedAnswerError('answered 500');
        return world.client.saveToDisk(path, content, options);
      },
    };
    for (const path of [...bad, 'z']) await world.put(path, `content of ${path}`);
    /** In how many cycles `path` is carried over. */
    const cyclesUntil = async (path: string): Promise<number> => {
      for (let cycles = 1; cycles < 20; cycles += 1) {
        failures = 0;
        const { report } = await world.cycle({ bucket, fileManager, ...impatient });
        t.true(failures <= 7, `${failures} failures: what was under way and then the plan still end soon`);
        t.is(report.status, 'partial');
        if (!(await world.differences()).some((line) => line.includes(` ${path} `))) return cycles;
      }
      return Number.POSITIVE_INFINITY;
    };
    t.is(await cyclesUntil('z'), 3, 'what has not failed yet goes first');
    bad.delete('a/6');
    t.true((await cyclesUntil('a/6')) <= 3, 'and then what has failed least');
    await world.close();
  });

test('whole folders that always fail, more than the breaker bears, keep nothing waiting for good', async (t) => {
  t.timeout(90_000);
  const world = await createWorld();
  const paths = Array.from({ length: 7 }, (_, at) => [`a${at}/x`, `a${at}/y`]).flat();
  for (const path of [...paths, 'z']) await world.put(path, `content of ${path}`);
  for (let at = 0; at < 60; at += 1) await world.put(`stays/${at}`, 'content');
  await world.cycle();
  for (const path of [...paths, 'z']) {
    await world.writer.delete(path);
    await world.append({ type: 'delete', path });
  }
  let tried: string[] = [];
  const fileManager: FileManager = {
    ...world.client,
    delete: async (path, options) => {
      tried.push(path);
      if (path.startsWith('a')) throw new FailedAnswerError('answered 500');
      return world.client.delete(path, options);
    },
  };
  const triedIn: string[][] = [];
  for (let cycles = 0; cycles < 5; cycles += 1) {
    tried = [];
    await world.cycle({ fileManager, ...impatient });
    triedIn.push(tried);
  }
  t.true(triedIn[2]?.includes('z'), `what has not failed yet goes first: ${JSON.stringify(triedIn)}`);
  t.true(triedIn.slice(3).flat().includes('a6/'), 'and then what has failed least');
  t.deepEqual(await world.workspace().projector.database.all("SELECT path FROM mirror WHERE path = 'z'"), []);
  await world.close();
});
