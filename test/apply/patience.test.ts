import test from 'ava';
import { FatalError, RetryableError } from '../../src/errors.ts';
import { createPatience, patienceLimits } from '../../src/patience.ts';
import { testClock } from './support.ts';

const { attemptsMax, totalMsMax } = patienceLimits;
const busy = (retryAfterMs?: number) => new RetryableError('busy', { retryAfterMs });

/** A patience whose waits pass at once, and how often it asked. */
const started = ({ random = 0.5 } = {}) => {
  const clock = testClock({ random: () => random });
  const stopping = new AbortController();
  const patience = createPatience({ signal: stopping.signal, onRetry: () => undefined, clock });
  let asked = 0;
  const failing = (error: Error, answersAt = Number.POSITIVE_INFINITY) =>
    patience(async () => {
      asked += 1;
      if (asked < answersAt) throw error;
      return asked;
    });
  return { clock, stopping, patience, failing, asked: () => asked };
};

test('whoever never answered is asked a few times, with waits that grow', async (t) => {
  const { clock, failing, asked } = started();
  await t.throwsAsync(failing(busy()), { message: 'busy' });
  t.is(asked(), attemptsMax);
  t.deepEqual(clock.slept, [100, 200, 400, 800]);
});

test('whoever has answered is waited for, and not for ever', async (t) => {
  const { clock, patience, failing, asked } = started();
  await patience(async () => undefined);
  t.is(await failing(busy(), 11), 11);
  const begun = clock.at;
  await t.throwsAsync(failing(busy()), { message: 'busy' });
  t.true(clock.at - begun < totalMsMax);
  t.true(asked() < 30);
});

test('nobody is asked sooner than Retry-After says, nor again and again at once where that is no time', async (t) => {
  const { clock, patience, failing, asked } = started({ random: 0.9 });
  await patience(async () => undefined);
  await failing(busy(7_000), 3);
  t.deepEqual(clock.slept, [7_000, 7_000]);
  await t.throwsAsync(failing(busy(0)), { message: 'busy' });
  t.true(asked() < 30);
});

test('what asking again does not mend is thrown at once, and a stop ends the wait', async (t) => {
  const { failing, asked, stopping } = started();
  await t.throwsAsync(failing(new FatalError('wrong token')), { message: 'wrong token' });
  t.is(asked(), 1);
  const waiting = failing(busy(30_000));
  stopping.abort(new Error('stopped'));
  await t.throwsAsync(waiting);
  t.is(asked(), 2);
});
