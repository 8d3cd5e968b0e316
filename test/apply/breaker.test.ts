import test from 'ava';
import { type Admitted, type BreakerLimits, createBreaker } from '../../src/apply/breaker.ts';
import { testClock } from './support.ts';

const limits: BreakerLimits = { failuresMax: 3, openMs: 1_000, openMsMax: 5_000, probesMax: 3 };
const going = new AbortController().signal;

const opened = async (clock = testClock()) => {
  const breaker = createBreaker(limits, clock);
  for (let at = 0; at < limits.failuresMax; at++) (await breaker.admit(going))?.failed();
  return { breaker, clock };
};

test('a success between failures keeps it closed', async (t) => {
  const clock = testClock();
  const breaker = createBreaker(limits, clock);
  for (let at = 0; at < 20; at++) {
    const admitted = await breaker.admit(going);
    t.truthy(admitted);
    if (at % 3 === 2) admitted?.succeeded();
    else admitted?.failed();
  }
  t.deepEqual(clock.slept, []);
});

test('failures in a row open it: an attempt waits, and is then the only probe', async (t) => {
  const { breaker, clock } = await opened();
  const admitted: Admitted[] = [];
  const waiting = Array.from({ length: 5 }, async () => {
    const one = await breaker.admit(going);
    if (one) admitted.push(one);
  });
  await Promise.race(waiting);
  await new Promise((resolve) => setImmediate(resolve));
  t.is(admitted.length, 1);
  t.is(clock.slept[0], 1_000);
  admitted[0]?.succeeded();
  await Promise.all(waiting);
  t.is(admitted.length, 5, 'a probe that succeeds lets all others through');
});

test('each probe that fails is followed by twice the wait, until it gives up', async (t) => {
  const { breaker, clock } = await opened();
  for (const wait of [1_000, 2_000, 4_000]) {
    t.false(breaker.gaveUp);
    const before = clock.at;
    const probe = await breaker.admit(going);
    t.is(clock.at - before, wait);
    probe?.failed();
  }
  t.true(breaker.gaveUp);
  t.is(await breaker.admit(going), undefined);
});

test('a probe that says nothing about the other side makes room for another', async (t) => {
  const { breaker } = await opened();
  const probe = await breaker.admit(going);
  const next = breaker.admit(going);
  probe?.released();
  t.truthy(await next);
  (await next)?.succeeded();
  t.false(breaker.gaveUp);
});

test('it stays open for as long as the other side asked, within its limit', async (t) => {
  const clock = testClock();
  const breaker = createBreaker({ ...limits, failuresMax: 1 }, clock);
  (await breaker.admit(going))?.failed(3_000);
  (await breaker.admit(going))?.failed(60_000);
  await breaker.admit(going);
  t.deepEqual(clock.slept, [3_000, 5_000]);
});

test('a stop ends the waiting', async (t) => {
  const { breaker } = await opened(testClock({ deadlineMsMin: 1 }));
  const stopping = new AbortController();
  const waiting = breaker.admit(stopping.signal);
  stopping.abort();
  t.is(await waiting, undefined);
});

test('an attempt is let through also when the wait runs out between two looks at the clock', async (t) => {
  let now = 0;
  const ticking = { now: () => now++, random: () => 0, sleep: () => Promise.resolve() };
  const breaker = createBreaker({ ...limits, failuresMax: 1, openMs: 2 }, ticking);
  (await breaker.admit(going))?.failed();
  const late = new Promise((resolve) => setTimeout(resolve, 2_000, 'never'));
  const admitted = await Promise.race([breaker.admit(going), late]);
  t.true(admitted !== undefined && admitted !== 'never');
  t.is(breaker.gaveUp, false);
});

test('attempts that began before it opened neither fail a probe nor make room for a second one', async (t) => {
  const clock = testClock();
  const breaker = createBreaker(limits, clock);
  const early = await Promise.all(Array.from({ length: 9 }, () => breaker.admit(going)));
  for (const attempt of early.splice(0, limits.failuresMax)) attempt?.failed();
  const probe = await breaker.admit(going);
  const next = breaker.admit(going);
  early.pop()?.released();
  for (const attempt of early) attempt?.failed(5_000);
  t.is(await Promise.race([next, new Promise((resolve) => setImmediate(resolve, 'waits'))]), 'waits');
  t.deepEqual(clock.slept, [1_000], 'and the wait is no longer for it');
  probe?.succeeded();
  t.truthy(await next);
  t.false(breaker.gaveUp);
});

test('a clock that is set back opens it for no longer', async (t) => {
  const { breaker, clock } = await opened();
  clock.at -= 3_600_000;
  const before = clock.at;
  t.truthy(await breaker.admit(going));
  t.true(clock.at - before <= limits.openMsMax, `it waited for ${clock.at - before} ms`);
});
