import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { lastValueFrom, toArray } from 'rxjs';
import { FatalError, RetryableError } from '../../src/errors.ts';
import { consume } from '../../src/sources/consume.ts';
import { every } from '../../src/sources/every.ts';
import { createFileSource } from '../../src/sources/file.ts';
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

test('a file is delivered a line at a time, blank lines left out, an over-long one named', async (t) => {
  const source = createFileSource({
    stream: Readable.from([`one\n\ntwo\r\n${'x'.repeat(50)}\ntorn`]),
    name: 'f',
    toMessage: (line) => ({ body: Buffer.from(line), attributes: {} }),
    lineBytesMax: 20,
  });
  const all = await source.receive(
    { messagesMax: 100, bytesMax: 1_000, lingerMs: 0 },
    { signal: new AbortController().signal },
  );
  t.deepEqual(
    all.map(({ deliveryId, message }) => [deliveryId, message.body.toString()]),
    [
      ['f:1', 'one'],
      ['f:3', 'two'],
      ['f:4', ''],
      ['f:5', 'torn'],
    ],
  );
  t.regex(all[2]?.message.attributes['x-oversized'] ?? '', /line 4 has 50 bytes, more than 20/);
  t.deepEqual(await source.receive(limits, { signal: new AbortController().signal }), []);
});
