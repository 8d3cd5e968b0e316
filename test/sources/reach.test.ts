import test from 'ava';
import { RetryableError } from '../../src/errors.ts';
import { createReach, type ReachNews } from '../../src/sources/reach.ts';
import type { Delivery } from '../../src/sources/source.ts';

const second = 1_000;
const never = new AbortController().signal;
const some: readonly Delivery[] = [{ deliveryId: '1', message: { body: Buffer.from('x'), attributes: {} } }];

/** A reach whose clock is moved by hand, and what it told. */
const clocked = () => {
  let time = 0;
  const news: (ReachNews & { readonly at: number })[] = [];
  const reach = createReach({
    name: 'the queue',
    now: () => time,
    onNews: (one) => void news.push({ ...one, at: time / second }),
  });
  const wait = (seconds: number): void => {
    time += seconds * second;
  };
  return { reach, news, wait };
};

test('trouble is told at once, then ever more seldom but not never, and its end once', (t) => {
  const { reach, news, wait } = clocked();
  reach.answered();
  for (let seconds = 0; seconds < 6 * 3_600; seconds += 10) {
    reach.failed('nobody there');
    wait(10);
  }
  const told = news.map(({ at }) => at / 60);
  t.deepEqual(told, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303], 'minutes');
  t.deepEqual(news[0], { kind: 'away', reason: 'nobody there', seconds: 0, at: 0 });
  t.is(news[2]?.seconds, 180);
  reach.answered();
  reach.answered();
  t.deepEqual(news.slice(told.length), [{ kind: 'back', seconds: 6 * 3_600, at: 6 * 3_600 }]);
});

test('a broker that comes and goes is told of no oftener than one that stays away', (t) => {
  const { reach, news, wait } = clocked();
  for (let seconds = 0; seconds < 3_600; seconds += 2) {
    reach.failed('slow down');
    wait(1);
    reach.answered();
    wait(1);
  }
  t.true(news.length <= 14, `${news.length} in an hour`);
  wait(3 * 3_600);
  const before = news.length;
  reach.failed('nobody there');
  t.is(news.length, before + 1, 'after a long peace it is told at once');
});

test('trouble that is new is told, however long the one before it was', (t) => {
  const { reach, news, wait } = clocked();
  /** The seconds after which an outage of so many minutes is told for the first time, after a peace of so many seconds. */
  const toldAfter = (peace: number, minutes: number): number | undefined => {
    reach.answered();
    wait(peace);
    const before = news.length;
    for (let seconds = 0; seconds < minutes * 60; seconds += 10) {
      reach.failed('nobody there');
      wait(10);
    }
    return news[before]?.seconds;
  };
  t.is(toldAfter(0, 125), 0);
  t.is(toldAfter(5 * 60, 50), 0, 'at once after a peace');
  t.is(toldAfter(30, 50), 60, 'after hardly any, once it is more than a hitch');
  t.is(news.at(-1)?.kind, 'away', 'the last word is true');
});

test('with idleMs, none is told only of a broker that answers', async (t) => {
  const drain = { signal: never, idleMs: 1 };
  const none = async (): Promise<readonly Delivery[]> => [];
  const { reach } = clocked();
  const first = reach.receive(none, drain);
  reach.answered();
  t.deepEqual(await first, []);
  reach.failed('nobody there');
  await t.throwsAsync(reach.receive(none, drain), {
    instanceOf: RetryableError,
    message: 'the queue cannot be read: nobody there',
  });
  t.deepEqual(await reach.receive(async () => some, drain), some, 'what came is given all the same');
  t.deepEqual(await reach.receive(none, { signal: never }), [], 'without, it is tried again');
  t.deepEqual(await reach.receive(none, { ...drain, signal: AbortSignal.abort() }), []);
  reach.end();
  t.deepEqual(await reach.receive(none, drain), [], 'a source that was closed');

  const silent = createReach({ name: 'the queue', answerMsMax: 50 });
  await t.throwsAsync(silent.receive(none, drain), { message: /the queue cannot be read: no answer within 0.05 s/ });
});
