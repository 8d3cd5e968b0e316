import test from 'ava';
import { breakerLimits, createBreaker } from '../../src/apply/breaker.ts';
import { backoff, NotAttempted, type RetryContext, retryLimits, withRetries } from '../../src/apply/retry.ts';
import { FatalError, RetryableError } from '../../src/errors.ts';
import { type TestClock, testClock } from './support.ts';

const contextOf = (clock: TestClock, more: Partial<RetryContext> = {}): RetryContext => ({
  clock,
  limits: retryLimits,
  breaker: createBreaker(breakerLimits, clock),
  allowanceMs: 0,
  stopping: new AbortController().signal,
  aborting: new AbortController().signal,
  onRetry: () => undefined,
  onAttempt: () => () => undefined,
  ...more,
});

test('a backoff doubles, has full jitter, and is capped', (t) => {
  for (const random of [0, 0.25, 0.999]) {
    for (let failed = 0; failed < 40; failed++) {
      const most = Math.min(retryLimits.waitMsMax, retryLimits.baseMs * 2 ** failed);
      t.is(
        backoff(failed, undefined, retryLimits, () => random),
        random * most,
      );
    }
  }
});

test('Retry-After is waited for as asked, and capped', (t) => {
  t.is(
    backoff(0, 7_000, retryLimits, () => 0),
    7_000,
  );
  t.is(
    backoff(0, 10 ** 9, retryLimits, () => 0),
    retryLimits.waitMsMax,
  );
});

test('a retryable failure is repeated, and each wait is twice as long', async (t) => {
  const clock = testClock({ random: () => 1 });
  let attempts = 0;
  const result = await withRetries(async () => {
    attempts += 1;
    if (attempts < 4) throw new RetryableError('not now');
    return 'done';
  }, contextOf(clock));
  t.is(result, 'done');
  t.deepEqual(clock.slept, [200, 400, 800]);
});

test('the last failure is thrown when the attempts are used up', async (t) => {
  let attempts = 0;
  const failing = withRetries(async () => {
    attempts += 1;
    throw new RetryableError(`failure ${attempts}`);
  }, contextOf(testClock()));
  await t.throwsAsync(failing, { instanceOf: RetryableError, message: 'failure 5' });
});

test('any other error is thrown at once', async (t) => {
  let attempts = 0;
  const refused = withRetries(async () => {
    attempts += 1;
    throw new FatalError('never');
  }, contextOf(testClock()));
  await t.throwsAsync(refused, { instanceOf: FatalError });
  t.is(attempts, 1);
});

test('no attempt starts once the time for all of them is used up', async (t) => {
  const clock = testClock({ deadlineMsMin: 1_000 });
  let attempts = 0;
  const limits = { ...retryLimits, totalMsMax: 10_000 };
  const late = withRetries(
    async () => {
      attempts += 1;
      clock.at += 6_000;
      throw new RetryableError('slow');
    },
    contextOf(clock, { limits }),
  );
  await t.throwsAsync(late, { instanceOf: RetryableError });
  t.is(attempts, 2);
});

test('an attempt that hangs is aborted when its time is up, and repeated', async (t) => {
  // Here every wait passes at once: the deadline comes as soon as the attempt hangs.
  const clock = testClock({ deadlineMsMin: Number.POSITIVE_INFINITY });
  let attempts = 0;
  const result = await withRetries(
    async (signal) => {
      attempts += 1;
      if (attempts === 2) return 'done';
      return new Promise<string>((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    },
    contextOf(clock, { limits: { ...retryLimits, attemptMsMax: 1_000, totalMsMax: 60_000 }, allowanceMs: 500 }),
  );
  t.is(result, 'done');
  t.is(clock.slept[0], 1_500, 'the limit and what is granted for the bytes');
});

test('once stopping, a failure is final, a wait ends, and nothing new is attempted', async (t) => {
  const stopping = new AbortController();
  let attempts = 0;
  const stopped = withRetries(
    async () => {
      attempts += 1;
      stopping.abort();
      throw new RetryableError('not now');
    },
    contextOf(testClock(), { stopping: stopping.signal }),
  );
  await t.throwsAsync(stopped, { instanceOf: RetryableError });
  t.is(attempts, 1);
  const never = withRetries(async () => t.fail(), contextOf(testClock(), { stopping: stopping.signal }));
  await t.throwsAsync(never, { instanceOf: NotAttempted });
});
