import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { Recorded } from '../../events/event.ts';
import { createFollower } from '../../src/projector/follow.ts';

/** A projector whose folds end when they are told to. */
const slowProjector = () => {
  const waiting: { resolve: (checkpoint: number) => void; reject: (error: Error) => void }[] = [];
  return {
    waiting,
    catchUp: () => new Promise<number>((resolve, reject) => waiting.push({ resolve, reject })),
  };
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Until a fold that failed has said so, and before any timer runs: it is tried again by itself, perhaps a millisecond later. */
const failing = async (): Promise<void> => {
  for (let steps = 0; steps < 10; steps++) await undefined;
};

test('one fold runs at a time, and the next takes together what came meanwhile', async (t) => {
  const projector = slowProjector();
  const follower = createFollower(projector);
  await follower.settled();
  await follower.ready();
  t.is(projector.waiting.length, 0, 'nothing is folded while nothing came');
  follower.grown(10);
  follower.grown(10);
  follower.grown(10);
  await follower.ready();
  t.is(projector.waiting.length, 1);
  projector.waiting[0]?.resolve(10);
  await turn();
  t.is(projector.waiting.length, 2);
  let isSettled = false;
  const settled = follower.settled().then(() => {
    isSettled = true;
  });
  await turn();
  t.false(isSettled);
  projector.waiting[1]?.resolve(30);
  await settled;
  t.is(projector.waiting.length, 2);
});

test('events that were given along are handed over, but for those of a fold that failed', async (t) => {
  const given: (readonly Recorded[])[] = [];
  const ends: { resolve: (checkpoint: number) => void; reject: (error: Error) => void }[] = [];
  const follower = createFollower({
    catchUp: ({ appended = [] } = {}) => {
      given.push(appended);
      return new Promise<number>((resolve, reject) => ends.push({ resolve, reject }));
    },
  });
  const event = (offset: number): Recorded => ({
    id: `${offset}`,
    offset,
    type: 'delete',
    time: '2026-01-01T00:00:00Z',
    path: 'a',
    source: 'native',
  });
  follower.grown(2, [event(1), event(2)]);
  follower.grown(1, [event(3)]);
  follower.grown(1, [event(4)]);
  ends[0]?.resolve(2);
  await turn();
  follower.grown(1, [event(5)]);
  follower.grown(3);
  ends[1]?.resolve(4);
  await turn();
  ends[2]?.reject(new Error('the disk is full'));
  await failing();
  follower.grown(1, [event(9)]);
  const ended = follower.end();
  await turn();
  ends[3]?.resolve(9);
  await ended;
  t.deepEqual(given, [[event(1), event(2)], [event(3), event(4)], [], []]);
});

test('the intake waits once projections are far behind', async (t) => {
  const projector = slowProjector();
  const follower = createFollower(projector);
  follower.grown(100_001);
  let ready = false;
  const waiting = follower.ready().then(() => {
    ready = true;
  });
  await turn();
  t.false(ready);
  projector.waiting[0]?.resolve(100_001);
  await waiting;
});

test('some thousand events wait for more, until these are many, somebody wants them, or seconds have passed', async (t) => {
  const projector = slowProjector();
  const follower = createFollower(projector);
  follower.grown(999);
  t.is(projector.waiting.length, 1, 'a few do not wait');
  follower.grown(1_000);
  projector.waiting[0]?.resolve(999);
  await turn();
  t.is(projector.waiting.length, 1);
  follower.grown(24_000);
  t.is(projector.waiting.length, 2, 'many do not wait');
  projector.waiting[1]?.resolve(25_999);
  await turn();
  follower.grown(1_000);
  const settled = follower.settled();
  t.is(projector.waiting.length, 3);
  follower.grown(1_000);
  projector.waiting[2]?.resolve(26_999);
  await turn();
  t.is(projector.waiting.length, 4, 'what comes meanwhile is wanted, too');
  projector.waiting[3]?.resolve(27_999);
  await settled;
  follower.grown(1_000);
  t.is(projector.waiting.length, 4);
  for (let look = 0; look < 200 && projector.waiting.length < 5; look += 1) await sleep(50);
  t.is(projector.waiting.length, 5);
  projector.waiting[4]?.resolve(28_999);
  await follower.end();
});

test('a fold that failed is tried again by itself, and an innocent batch is not told of it', async (t) => {
  const projector = slowProjector();
  const told: unknown[] = [];
  const follower = createFollower(projector, (error) => told.push(error));
  follower.grown(1);
  projector.waiting[0]?.reject(new Error('the disk is full'));
  await turn();
  t.is(told.length, 1);
  for (let look = 0; look < 200 && projector.waiting.length < 2; look += 1) await sleep(50);
  t.is(projector.waiting.length, 2);
  projector.waiting[1]?.resolve(1);
  await turn();
  await follower.ready();
  await follower.end();
  t.is(projector.waiting.length, 2);
});

test('after a fold that failed a batch waits for the next try, and is told when that fails too', async (t) => {
  const projector = slowProjector();
  const follower = createFollower(projector);
  follower.grown(1);
  projector.waiting[0]?.reject(new Error('the disk is full'));
  await turn();
  const refused = t.throwsAsync(follower.ready(), { message: 'still full' });
  await turn();
  projector.waiting[1]?.reject(new Error('still full'));
  await refused;
  const ended = follower.end();
  await turn();
  projector.waiting[2]?.resolve(1);
  await ended;
  t.is(projector.waiting.length, 3);
});

test('what comes at the very moment at which a fold ends is folded too', async (t) => {
  const projector = slowProjector();
  const follower = createFollower(projector);
  follower.grown(1);
  projector.waiting[0]?.resolve(1);
  await Promise.resolve().then(() => follower.grown(1));
  await turn();
  t.is(projector.waiting.length, 2);
});
