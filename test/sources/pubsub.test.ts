import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { ConfigError, RetryableError, UnreachableError } from '../../src/errors.ts';
import { createPubSubSource, type PubSubSourceOptions } from '../../src/sources/pubsub.ts';
import { ensurePubSub } from '../../src/sources/pubsub-publisher.ts';
import type { ReachNews } from '../../src/sources/reach.ts';
import type { Delivery, Source } from '../../src/sources/source.ts';
import { startBrokerProxy } from '../support/broker-proxy.ts';
import { serverTest, uniqueName } from '../support/servers.ts';
import { makeTopic, publishTo } from './topic.ts';

const limits = { messagesMax: 100, bytesMax: 1_000_000, lingerMs: 300 };
const always = new AbortController().signal;
const textsOf = (deliveries: readonly Delivery[]) => deliveries.map(({ message }) => message.body.toString());

/** A source that is closed when the test ends, however it ends. */
const sourceOf = (t: ExecutionContext, options: PubSubSourceOptions): Source => {
  const source = createPubSubSource(options);
  t.teardown(source.close);
  return source;
};

/** Everything that comes until it has been silent for `idleMs`; each batch is handed to `settle`. */
const drain = async (
  source: Source,
  idleMs: number,
  settle: (batch: readonly Delivery[]) => Promise<void> = source.ack,
): Promise<string[]> => {
  const texts: string[] = [];
  for (;;) {
    const batch = await source.receive(limits, { signal: always, idleMs });
    if (batch.length === 0) return texts;
    texts.push(...textsOf(batch));
    await settle(batch);
  }
};

serverTest('pubsub', 'messages of one ordering key come in order, also after one was given back', async (t, server) => {
  const names = await makeTopic(server, { ordered: true });
  const bodies = Array.from({ length: 60 }, (_, n) => `k${n % 3}:${String(Math.floor(n / 3)).padStart(2, '0')}`);
  const keyOf = (body: string) => body.split(':')[0] as string;
  await publishTo(server, names.topic, bodies, keyOf);
  const source = sourceOf(t, { ...names, emulatorHost: server.host });
  const small = { ...limits, messagesMax: 5 };
  const acked: string[] = [];
  for (let round = 0; acked.length < bodies.length && round < 200; round++) {
    const batch = await source.receive(small, { signal: always, idleMs: 5_000 });
    if (round % 4 === 1) await source.nack(batch);
    else {
      acked.push(...textsOf(batch));
      await source.ack(batch);
    }
  }
  for (const key of ['k0', 'k1', 'k2']) {
    // A broker may repeat; what counts is that nothing overtakes: first sights are in order.
    const seen = [...new Set(acked.filter((text) => keyOf(text) === key))];
    t.deepEqual(
      seen,
      bodies.filter((body) => keyOf(body) === key),
    );
  }
  await source.close();
});

serverTest('pubsub', 'what could not be committed again and again goes to the dead-letter topic', async (t, server) => {
  const deadLetter = { topic: uniqueName('dead'), attemptsMax: 5 };
  const names = await makeTopic(server, { deadLetter });
  const dead = { project: names.project, topic: deadLetter.topic, subscription: uniqueName('dead') };
  await ensurePubSub({ ...dead, emulatorHost: server.host });
  await publishTo(server, names.topic, ['never', 'good']);
  const source = sourceOf(t, { ...names, emulatorHost: server.host });
  let refused = 0;
  const good = await drain(source, 3_000, async (batch) => {
    const bad = batch.filter(({ message }) => message.body.toString() === 'never');
    refused += bad.length;
    await source.nack(bad);
    await source.ack(batch.filter((one) => !bad.includes(one)));
  });
  await source.close();
  t.true(good.includes('good'));
  t.true(refused >= 5, `${refused} deliveries`);
  const letters = sourceOf(t, { ...dead, emulatorHost: server.host });
  t.deepEqual(await drain(letters, 2_000), ['never']);
  await letters.close();
});

serverTest(
  'pubsub',
  'a batch that takes longer than the lease is not delivered to others meanwhile, and is acked',
  async (t, server) => {
    const names = await makeTopic(server);
    await publishTo(server, names.topic, ['slow']);
    const source = sourceOf(t, { ...names, emulatorHost: server.host });
    const other = sourceOf(t, { ...names, emulatorHost: server.host });
    const batch = await source.receive(limits, { signal: always });
    // The lease of ten seconds is long over.
    t.deepEqual(await other.receive(limits, { signal: always, idleMs: 16_000 }), []);
    await source.ack(batch);
    await source.close();
    t.deepEqual(await other.receive(limits, { signal: always, idleMs: 12_000 }), []);
    await other.close();
  },
  'together',
);

serverTest(
  'pubsub',
  'a lease is not extended for ever: past its longest time the message is delivered again',
  async (t, server) => {
    const names = await makeTopic(server);
    await publishTo(server, names.topic, ['stuck']);
    const source = sourceOf(t, {
      ...names,
      emulatorHost: server.host,
      leaseSecondsMax: 1,
      closeTimeoutMs: 1_000,
    });
    t.deepEqual(textsOf(await source.receive(limits, { signal: always })), ['stuck']);
    const again = await source.receive(limits, { signal: always, idleMs: 40_000 });
    t.deepEqual(textsOf(again), ['stuck']);
    await source.ack(again);
    await source.close();
  },
  'together',
);

/** Acks as if the batch had been in hand for so long: the client makes its leases as long as its slow acks. */
const ackAsIfAfter = (seconds: number, source: Source, batch: readonly Delivery[]): Promise<void> => {
  const now = Date.now;
  Date.now = () => now() + seconds * 1000;
  try {
    return source.ack(batch);
  } finally {
    Date.now = now;
  }
};

serverTest(
  'pubsub',
  'what a process had in hand when it was killed comes again soon, also when its acks were slow',
  async (t, server) => {
    const names = await makeTopic(server);
    const door = await startBrokerProxy(Number(new URL(server.url).port));
    t.teardown(door.stop);
    const killed = sourceOf(t, {
      ...names,
      emulatorHost: `127.0.0.1:${door.port}`,
      extensionSecondsMax: 10,
      closeTimeoutMs: 1_000,
    });
    await publishTo(server, names.topic, ['slow']);
    await ackAsIfAfter(500, killed, await killed.receive(limits, { signal: always }));
    await publishTo(server, names.topic, ['in hand']);
    t.deepEqual(textsOf(await killed.receive(limits, { signal: always })), ['in hand']);
    // Long enough for the lease to be asked for, which the client does in the background.
    await sleep(1_000);
    door.cut();
    const next = sourceOf(t, { ...names, emulatorHost: server.host });
    const again = await next.receive(limits, { signal: always, idleMs: 40_000 });
    t.deepEqual(textsOf(again), ['in hand']);
    await next.ack(again);
    await next.close();
  },
  'together',
);

serverTest('pubsub', 'with exactly-once delivery each ack is confirmed, and none comes again', async (t, server) => {
  const names = await makeTopic(server, { exactlyOnce: true, ackDeadlineSeconds: 10 });
  await publishTo(
    server,
    names.topic,
    Array.from({ length: 200 }, (_, n) => `${n}`),
  );
  const source = sourceOf(t, { ...names, emulatorHost: server.host });
  const first = await source.receive({ ...limits, messagesMax: 50 }, { signal: always });
  await source.ack(first);
  const rest = await drain(source, 3_000);
  await source.close();
  t.is(new Set([...textsOf(first), ...rest]).size, 200);
  t.is(first.length + rest.length, 200);
  const again = sourceOf(t, { ...names, emulatorHost: server.host });
  t.deepEqual(await drain(again, 3_000), []);
  await again.close();
});

serverTest(
  'pubsub',
  'acks that Pub/Sub does not confirm, since it is away, are not waited for without end',
  async (t, server) => {
    const names = await makeTopic(server, { exactlyOnce: true, ackDeadlineSeconds: 10 });
    const door = await startBrokerProxy(Number(new URL(server.url).port));
    t.teardown(door.stop);
    await publishTo(server, names.topic, ['in hand']);
    const source = sourceOf(t, {
      ...names,
      emulatorHost: `127.0.0.1:${door.port}`,
      confirmMsMax: 500,
      closeTimeoutMs: 1_000,
    });
    const batch = await source.receive(limits, { signal: always });
    door.cut();
    const error = await t.throwsAsync(source.ack(batch), { instanceOf: RetryableError });
    t.regex(error?.message ?? '', /^1 acks were not confirmed by /);
    await source.close();
  },
  'together',
);

serverTest(
  'pubsub',
  'closing right after the acks loses none of them',
  async (t, server) => {
    const names = await makeTopic(server);
    await publishTo(
      server,
      names.topic,
      Array.from({ length: 500 }, (_, n) => `${n}`),
    );
    const source = sourceOf(t, { ...names, emulatorHost: server.host });
    const acked: string[] = [];
    while (acked.length < 250) {
      const batch = await source.receive(limits, { signal: always });
      acked.push(...textsOf(batch));
      void source.ack(batch);
    }
    await source.close();
    const next = sourceOf(t, { ...names, emulatorHost: server.host });
    const rest = await drain(next, 12_000);
    await next.close();
    t.is(acked.length + rest.length, 500, 'what was acked does not come again');
    t.is(new Set([...acked, ...rest]).size, 500, 'what was not acked does');
  },
  'together',
);

serverTest('pubsub', 'a subscription that does not exist is named, and nothing waits for it', async (t, server) => {
  const source = sourceOf(t, { project: 'test', subscription: 'no-such', emulatorHost: server.host });
  const error = await t.throwsAsync(source.receive(limits, { signal: always, idleMs: 60_000 }), {
    instanceOf: ConfigError,
  });
  t.regex(error?.message ?? '', /PUBSUB_SUBSCRIPTION "no-such" does not exist/);
  await source.close();
});

serverTest(
  'pubsub',
  'a Pub/Sub that cannot be reached is told apart from an empty subscription',
  async (t, server) => {
    const names = await makeTopic(server);
    const door = await startBrokerProxy(Number(new URL(server.url).port));
    t.teardown(door.stop);
    const news: ReachNews[] = [];
    const source = sourceOf(t, {
      ...names,
      emulatorHost: `127.0.0.1:${door.port}`,
      onNews: (one) => void news.push(one),
    });
    const receive = (idleMs?: number) =>
      source.receive(limits, { signal: always, ...(idleMs !== undefined && { idleMs }) });
    t.deepEqual(await receive(500), [], 'it is there, and has nothing');
    t.deepEqual(news, []);
    door.cut();
    const away = await t.throwsAsync(receive(5_000), { instanceOf: RetryableError });
    t.regex(away?.message ?? '', /^PUBSUB_SUBSCRIPTION ".*" cannot be read: .*UNAVAILABLE/);
    t.is(news.length, 1, 'the first of many attempts is told');
    const waiting = receive();
    door.restore();
    await publishTo(server, names.topic, ['later']);
    t.deepEqual(textsOf(await waiting), ['later'], 'a receive that may wait waits for it');
    t.deepEqual(
      news.map(({ kind }) => kind),
      ['away', 'back'],
    );
    await source.close();
  },
  'together',
);

serverTest(
  'pubsub',
  'a stream that ends for a reason that passes is opened again, and what was in hand is acked',
  async (t, server) => {
    const names = await makeTopic(server);
    const door = await startBrokerProxy(Number(new URL(server.url).port));
    t.teardown(door.stop);
    const unknown = 2;
    const news: ReachNews[] = [];
    const source = sourceOf(t, {
      ...names,
      emulatorHost: `127.0.0.1:${door.port}`,
      onNews: (one) => void news.push(one),
    });
    await publishTo(server, names.topic, ['in hand']);
    const held = await source.receive(limits, { signal: always });
    t.deepEqual(textsOf(held), ['in hand']);
    door.failPulls(unknown);
    const away = await t.throwsAsync(source.receive(limits, { signal: always, idleMs: 2_000 }), {
      instanceOf: UnreachableError,
    });
    t.regex(away?.message ?? '', /cannot be read: .*as the test wants it/);
    await source.ack(held);
    await publishTo(server, names.topic, ['later']);
    t.deepEqual(await source.receive(limits, { signal: AbortSignal.timeout(3_000) }), [], 'it is still tried');
    door.failPulls(undefined);
    const later = await source.receive(limits, { signal: always });
    t.deepEqual(textsOf(later), ['later']);
    await source.ack(later);
    t.is(news.at(0)?.kind, 'away');
    t.is(news.at(-1)?.kind, 'back');
    t.deepEqual(await drain(source, 12_000), [], 'what was acked does not come again');
    door.failPulls(unknown);
    await source.close();
  },
  'together',
);

serverTest('pubsub', 'no more is taken from the broker than may be in hand', async (t, server) => {
  const names = await makeTopic(server);
  await publishTo(
    server,
    names.topic,
    Array.from({ length: 300 }, (_, n) => `${n}`),
  );
  const source = sourceOf(t, { ...names, emulatorHost: server.host, messagesMax: 40 });
  const held = await source.receive({ ...limits, messagesMax: 300, lingerMs: 1_500 }, { signal: always });
  t.true(held.length <= 40, `${held.length} in hand`);
  t.deepEqual(await source.receive(limits, { signal: always, idleMs: 500 }), []);
  await source.ack(held);
  t.is((await drain(source, 2_000)).length, 300 - held.length);
  await source.close();
});

serverTest(
  'pubsub',
  'the emulator is used without looking for credentials',
  async (t, server) => {
    const warnings: string[] = [];
    const note = (warning: Error): void => void warnings.push(warning.name);
    process.on('warning', note);
    const source = sourceOf(t, { ...(await makeTopic(server)), emulatorHost: server.host });
    t.deepEqual(await source.receive(limits, { signal: always, idleMs: 200 }), []);
    await source.close();
    await sleep(3_500);
    process.off('warning', note);
    t.deepEqual(warnings, []);
  },
  'together',
);
