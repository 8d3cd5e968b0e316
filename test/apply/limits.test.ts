import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { applyPlan } from '../../src/apply/apply.ts';
import { createConcurrency } from '../../src/apply/concurrency.ts';
import { paced } from '../../src/apply/pace.ts';
import { createTokenBucket } from '../../src/apply/token-bucket.ts';
import { ConfigError } from '../../src/errors.ts';
import { anyBucket, collected, planOf, scriptedFileManager, stepOf, testClock } from './support.ts';

test('concurrency grows by one with each full round of successes, up to its limit', (t) => {
  const concurrency = createConcurrency(7);
  t.is(concurrency.limit, 4);
  const seen: number[] = [];
  for (let at = 0; at < 40; at++) {
    concurrency.begin().succeeded();
    seen.push(concurrency.limit);
  }
  t.is(seen.indexOf(5), 3);
  t.is(seen.indexOf(6), 3 + 5);
  t.is(seen.indexOf(7), 3 + 5 + 6);
  t.is(Math.max(...seen), 7);
  t.is(createConcurrency(1).limit, 1);
});

test('an overload halves concurrency once for all that was under way, and never below one', (t) => {
  const concurrency = createConcurrency(16);
  for (let at = 0; at < 500; at++) concurrency.begin().succeeded();
  t.is(concurrency.limit, 16);
  const underWay = Array.from({ length: 16 }, () => concurrency.begin());
  for (const attempt of underWay) attempt.overloaded();
  t.is(concurrency.limit, 8);
  for (let at = 0; at < 10; at++) concurrency.begin().overloaded();
  t.is(concurrency.limit, 1);
  for (let at = 0; at < 3; at++) concurrency.begin().succeeded();
  t.true(concurrency.limit > 1, 'and it recovers');
});

test('answers that get much slower lower concurrency; slow ones from the start, or large bodies, do not', (t) => {
  const congested = createConcurrency(8);
  const steady = createConcurrency(8);
  const large = createConcurrency(8);
  for (let at = 0; at < 100; at++) {
    congested.begin().succeeded(20);
    steady.begin().succeeded(800);
    large.begin().succeeded(undefined);
  }
  t.deepEqual([congested.limit, steady.limit, large.limit], [8, 8, 8]);
  for (let at = 0; at < 10; at++) congested.begin().succeeded(900);
  t.true(congested.limit < 4, String(congested.limit));
});

test('a token bucket lets a burst through, and then its rate, in the order of the calls', async (t) => {
  const clock = testClock();
  const bucket = createTokenBucket(10, clock);
  const start = clock.at;
  for (let at = 0; at < 10; at++) await bucket.take(1);
  t.is(clock.at, start);
  for (let at = 0; at < 20; at++) await bucket.take(1);
  t.is(Math.round(clock.at - start), 2_000);
  await bucket.take(100);
  t.is(Math.round(clock.at - start), 12_000, 'one large call waits for its whole amount');
  clock.at -= 3_600_000;
  const before = clock.at;
  await bucket.take(1);
  t.is(Math.round(clock.at - before), 100, 'a clock that is set back gives nothing and takes nothing');
});

test('requests and bytes are limited over all operations together', async (t) => {
  const clock = testClock();
  const start = clock.at;
  const fileManager = paced(
    scriptedFileManager(async () => undefined),
    { requestsPerSecond: 2 },
    clock,
  );
  const call = { idempotencyKey: 'k' };
  await fileManager.updatePermissions('a', '0644', call);
  await fileManager.delete('a', call);
  await fileManager.rename('a', 'b', call);
  await fileManager.move('a', 'b/', call);
  await fileManager.saveToDisk('a', { body: Readable.from([]), length: 0 }, call);
  t.is(Math.round(clock.at - start), 1_500);

  const received: { bytes: Buffer; permissions: string | undefined }[] = [];
  const slow = paced(
    {
      ...fileManager,
      saveToDisk: async (_, { body, permissions }) => void received.push({ bytes: await buffer(body), permissions }),
    },
    { bytesPerSecond: 20_000 },
    clock,
  );
  const from = clock.at;
  const content = Buffer.alloc(100_000, 'x');
  const body = Readable.from([content.subarray(0, 50_000), content.subarray(50_000)], { objectMode: false });
  await slow.saveToDisk('a', { body, length: content.length, permissions: '0600' }, call);
  t.is(Math.round(clock.at - from), 4_000);
  t.deepEqual(received, [{ bytes: content, permissions: '0600' }]);
});

test('a limit that could never be kept is a mistake of the configuration', (t) => {
  const fileManager = scriptedFileManager(async () => undefined);
  for (const limits of [{ requestsPerSecond: 0 }, { requestsPerSecond: Number.NaN }, { bytesPerSecond: 100 }])
    t.throws(() => paced(fileManager, limits, testClock()), { instanceOf: ConfigError });
});

// Of the runtime's own timers, which take 2^31 ms and end at once where they are given more.
test('an object is given the time that its bytes need, also where that is many weeks', async (t) => {
  for (const [size, bytesPerSecond] of [
    [6_000_000_000, 16_384],
    [5_000_000_000_000, undefined],
  ] as const) {
    let attempts = 0;
    const fileManager = scriptedFileManager(async (_kind, _path, _key, signal) => {
      attempts += 1;
      await sleep(50, undefined, signal ? { signal } : {});
    });
    const { outcomes, onOutcomes } = collected();
    const result = await applyPlan(planOf(stepOf('save', 'large', { size, etag: 'e' })), {
      fileManager,
      bucket: anyBucket,
      concurrency: 8,
      pace: { bytesPerSecond },
      retry: { attemptsMax: 1 },
      savePermissions: true,
      onOutcomes,
    });
    t.deepEqual([attempts, outcomes.length, result.failures], [1, 1, []]);
  }
});
