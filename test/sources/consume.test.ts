import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { lastValueFrom, toArray } from 'rxjs';
import { ConfigError, FatalError, RetryableError } from '../../src/errors.ts';
import { consume } from '../../src/sources/consume.ts';
import { every } from '../../src/sources/every.ts';
import type { Delivery, Source } from '../../src/sources/source.ts';

const limits = { messagesMax: 2, bytesMax: 1_000, lingerMs: 0 };

/** A broker in memory that notes what it is told; a message that is given back comes again. */
const broker = (texts: readonly string[]) => {
  const waiting = texts.map(
    (text): Delivery => ({ deliveryId: text, message: { body: Buffer.from(text), attributes: {} } }),
  );
  const told: string[] = [];
  const note = (word: string) => async (deliveries: readonly Delivery[]) => {
    told.push(...deliveries.map(({ deliveryId }) => `${word} ${deliveryId}`));
    if (word === 'nack') waiting.unshift(...deliveries);
  };
  const source: Source = {
    name: 'broker',
    receive: async ({ messagesMax }) => waiting.splice(0, messagesMax),
    ack: note('ack'),
    nack: note('nack'),
    close: async () => void told.push('close'),
  };
  return { source, told };
};

test('messages are acked only after their step, and given back when it fails', async (t) => {
  const { source, told } = broker(['a', 'b', 'c']);
  let attempts = 0;
  const step = async (deliveries: readonly Delivery[]) => {
    attempts += 1;
    told.push(`step ${deliveries.map(({ deliveryId }) => deliveryId).join('')}`);
    if (attempts === 1) throw new RetryableError('the disk was busy');
    return deliveries.length;
  };
  const results = await lastValueFrom(
    consume(source, step, { limits, signal: new AbortController().signal, idleMs: 10, retryMsMax: 1 }).pipe(toArray()),
  );
  t.deepEqual(told, ['step ab', 'nack a', 'nack b', 'step ab', 'ack a', 'ack b', 'step c', 'ack c', 'close']);
  t.deepEqual(
    results.map(({ kind }) => kind),
    ['failed', 'committed', 'committed'],
  );
});

test('a batch that fails again and again tells how often in a row, and counts anew after one that did not', async (t) => {
  const { source } = broker(['a', 'b']);
  let attempts = 0;
  const step = async () => {
    attempts += 1;
    if (attempts !== 4) throw new RetryableError('the log is locked');
    return 0;
  };
  const stop = new AbortController();
  const one = { ...limits, messagesMax: 1 };
  const inARow: number[] = [];
  const until: Source = {
    ...source,
    receive: async (batch, options) => (options.signal.aborted ? [] : source.receive(batch, options)),
  };
  await new Promise<void>((resolve) => {
    consume(until, step, { limits: one, signal: stop.signal, idleMs: 10, retryMsMax: 1 }).subscribe({
      next: (result) => {
        inARow.push(result.kind === 'failed' ? result.inARow : 0);
        if (inARow.length === 5) stop.abort();
      },
      complete: resolve,
    });
  });
  t.deepEqual(inARow.slice(0, 5), [1, 2, 3, 0, 1]);
});

test('a batch that cannot be committed is kept and tried again for a while, and then given back', async (t) => {
  const { source, told } = broker(['a', 'b', 'c']);
  const step = async (deliveries: readonly Delivery[]) => {
    told.push(`step ${deliveries.map(({ deliveryId }) => deliveryId).join('')}`);
    if (!told.includes('nack a')) throw new RetryableError('the log is locked');
    return deliveries.length;
  };
  const results = await lastValueFrom(
    consume(source, step, {
      limits,
      signal: new AbortController().signal,
      idleMs: 10,
      retryMsMax: 2,
      keptMs: 100,
    }).pipe(toArray()),
  );
  const returned = told.indexOf('nack a');
  t.true(returned >= 2, told.join());
  t.true(told.slice(0, returned).every((word) => word === 'step ab'));
  t.deepEqual(told.slice(returned), ['nack a', 'nack b', 'step ab', 'ack a', 'ack b', 'step c', 'ack c', 'close']);
  const kept = results.map((result) => result.kind === 'failed' && result.kept);
  t.deepEqual([kept[0], kept.lastIndexOf(true)], [true, returned - 2], 'it is said of each try but the last');
});

test('a stop gives back the batch that is kept', async (t) => {
  const { source, told } = broker(['a']);
  const stop = new AbortController();
  const step = async () => {
    told.push('step');
    if (told.length === 2) stop.abort();
    throw new RetryableError('the log is locked');
  };
  const options = { limits, signal: stop.signal, idleMs: 10, retryMsMax: 1, keptMs: 60_000 };
  await lastValueFrom(consume(source, step, options));
  t.deepEqual(told, ['step', 'step', 'nack a', 'close']);
});

test('a fatal error gives the batch back, closes the source and ends the stream', async (t) => {
  const { source, told } = broker(['a']);
  const step = async () => Promise.reject(new FatalError('no space left'));
  await t.throwsAsync(
    lastValueFrom(consume(source, step, { limits, signal: new AbortController().signal, idleMs: 10 })),
    { message: 'no space left' },
  );
  t.deepEqual(told, ['nack a', 'close']);
});

test('a schedule never overlaps, survives errors, and ends after the run in hand', async (t) => {
  const stop = new AbortController();
  const errors: unknown[] = [];
  let running = 0;
  let runs = 0;
  const work = async () => {
    running += 1;
    t.is(running, 1);
    runs += 1;
    if (runs === 4) stop.abort();
    await sleep(5);
    running -= 1;
    if (runs === 2) throw new Error('one bad run');
  };
  await every(1, work, stop.signal, (error) => errors.push(error));
  t.is(runs, 4);
  t.is(running, 0);
  t.is(errors.length, 1);
});

test('what a step has no room for stays unacked and goes back later, and the rest of its batch is acked', async (t) => {
  const { source, told } = broker(['a', 'bad', 'c']);
  const step = async (deliveries: readonly Delivery[]) => {
    await sleep(20);
    return deliveries;
  };
  const refusedBy = (deliveries: readonly Delivery[]) => deliveries.filter(({ deliveryId }) => deliveryId === 'bad');
  const results = await lastValueFrom(
    consume(source, step, { limits, signal: new AbortController().signal, idleMs: 10, refusedBy }).pipe(toArray()),
  );
  t.deepEqual(told, ['ack a', 'ack c', 'nack bad', 'close'], 'held back until the end, behind everything else');
  t.deepEqual(
    results.map((result) => result.kind === 'committed' && result.refused),
    [1, 0],
  );
});

test('what is refused comes back after its time while the stream goes on', async (t) => {
  const { source, told } = broker(['bad']);
  const stop = new AbortController();
  let rounds = 0;
  const step = async (deliveries: readonly Delivery[]) => {
    rounds += 1;
    if (rounds === 3) stop.abort();
    return deliveries;
  };
  const waiting: Source = {
    ...source,
    receive: async (batch, options) => {
      for (;;) {
        const deliveries = options.signal.aborted ? [] : await source.receive(batch, options);
        if (deliveries.length > 0 || options.signal.aborted) return deliveries;
        await sleep(1);
      }
    },
  };
  const options = { limits, signal: stop.signal, refusedBy: (all: readonly Delivery[]) => all, refusedMs: 5 };
  await lastValueFrom(consume(waiting, step, options));
  t.deepEqual(
    told.filter((word) => word !== 'nack bad'),
    ['close'],
  );
  t.is(told.filter((word) => word === 'nack bad').length, 3);
});

test('an ack that the broker does not take is told, and ends nothing', async (t) => {
  const { source } = broker(['a']);
  const failing: Source = { ...source, ack: async () => Promise.reject(new RetryableError('1 message not deleted')) };
  const [result] = await lastValueFrom(
    consume(failing, async () => 1, { limits, signal: new AbortController().signal, idleMs: 10 }).pipe(toArray()),
  );
  t.like(result, { kind: 'committed', ackProblem: '1 message not deleted' });
});

test('an ack that is refused for good ends the stream: the messages would come again for ever', async (t) => {
  const { source, told } = broker(['a']);
  const denied: Source = { ...source, ack: async () => Promise.reject(new ConfigError('no permission to delete')) };
  await t.throwsAsync(
    lastValueFrom(consume(denied, async () => 1, { limits, signal: new AbortController().signal, idleMs: 10 })),
    { message: 'no permission to delete' },
  );
  t.deepEqual(told, ['close']);
});

test('what waits is held back, and past a thousand of them nothing more is received', async (t) => {
  const stop = new AbortController();
  let receives = 0;
  let nacked = 0;
  const source: Source = {
    name: 'endless',
    receive: async (_, { signal }) => {
      await sleep(5);
      if (signal.aborted) return [];
      receives += 1;
      const message = { body: Buffer.alloc(0), attributes: {} };
      return Array.from({ length: 400 }, (_unused, n) => ({ deliveryId: `${receives}-${n}`, message }));
    },
    ack: async () => undefined,
    nack: async (deliveries) => void (nacked += deliveries.length),
    close: async () => undefined,
  };
  setTimeout(() => stop.abort(), 300);
  const step = async (deliveries: readonly Delivery[]) => deliveries;
  await lastValueFrom(
    consume(source, step, { limits, signal: stop.signal, waitingBy: (deliveries) => deliveries }).pipe(toArray()),
  );
  t.deepEqual([receives, nacked], [3, 1_200], 'none went back before the end');
});
