import test from 'ava';
import { type BreakerLimits, createBreaker } from '../../src/apply/breaker.ts';
import { testClock } from './support.ts';

const limits: BreakerLimits = { failuresMax: 3, openMs: 1_000, openMsMax: 5_000, probesMax: 3 };
const going = new AbortController().signal;

const opened = async (clock = testClock()) => {
  const breaker = createBreaker(limits, clock);
  for (let at = 0; at < limits.failuresMax; at++) {
    await breaker.admit(going);
    breaker.failed();
  }
  return { breaker, clock };
};

test('a success between failures keeps it closed', async (t) => {
  const clock = testClock();
  const breaker = createBreaker(limits, clock);
  for (let at = 0; at < 20; at++) {
    t.true(await breaker.admit(going));
    if (at % 3 === 2) breaker.succeeded();
    else breaker.failed();
  }
  t.deepEqual(clock.slept, []);
});

test('failures in a row open it: an attempt waits, and is then the only probe', async (t) => {
  const { breaker, clock } = await opened();
  let admitted = 0;
  const waiting = Array.from({ length: 5 }, async () => {
    if (await breaker.admit(going)) admitted += 1;
  });
  await Promise.race(waiting);
  await new Promise((resolve) => setImmediate(resolve));
  t.is(admitted, 1);
  t.is(clock.slept[0], 1_000);
  breaker.succeeded();
  await Promise.all(waiting);
  t.is(admitted, 5, 'a probe that succeeds lets all others through');
});

test('each probe that fails is followed by twice the wait, until it gives up', async (t) => {
  const { breaker, clock } = await opened();
  for (const wait of [1_000, 2_000, 4_000]) {
    t.false(breaker.gaveUp);
    const before = clock.at;
    t.true(await breaker.admit(going));
    t.is(clock.at - before, wait);
    breaker.failed();
  }
  t.true(breaker.gaveUp);
  t.false(await breaker.admit(going));
});

test('a probe that says nothing about the other side makes room for another', async (t) => {
  const { breaker } = await opened();
  t.true(await breaker.admit(going));
  const next = breaker.admit(going);
  breaker.released();
  t.true(await next);
  breaker.succeeded();
  t.false(breaker.gaveUp);
});

test('it stays open for as long as the other side asked, within its limit', async (t) => {
  const clock = testClock();
  const breaker = createBreaker({ ...limits, failuresMax: 1 }, clock);
  breaker.failed(3_000);
  await breaker.admit(going);
  breaker.failed(60_000);
  await breaker.admit(going);
  t.deepEqual(clock.slept, [3_000, 5_000]);
});

test('a stop ends the waiting', async (t) => {
  const { breaker } = await opened(testClock({ deadlineMsMin: 1 }));
  const stopping = new AbortController();
  const waiting = breaker.admit(stopping.signal);
  stopping.abort();
  t.false(await waiting);
});

test('an attempt is let through also when the wait runs out between two looks at the clock', async (t) => {
  let now = 0;
  const ticking = { now: () => now++, random: () => 0, sleep: () => Promise.resolve() };
  const breaker = createBreaker({ ...limits, failuresMax: 1, openMs: 2 }, ticking);
  await breaker.admit(going);
  breaker.failed();
  const late = new Promise((resolve) => setTimeout(resolve, 2_000, 'never'));
  t.is(await Promise.race([breaker.admit(going), late]), true);
  t.is(breaker.gaveUp, false);
});
