import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { ConfigError, RetryableError } from '../../src/errors.ts';
import type { ReachNews } from '../../src/sources/reach.ts';
import type { Delivery, Source } from '../../src/sources/source.ts';
import { createSqsSource, type SqsSourceOptions } from '../../src/sources/sqs.ts';
import { serverTest } from '../support/servers.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { accessOf, makeQueue, type QueueServer, sendTo } from './queue.ts';
import { type Answer, type Asked, startSqsDoor } from './sqs-door.ts';

const limits = { messagesMax: 100, bytesMax: 1_000_000, lingerMs: 300 };
const always = new AbortController().signal;
const textsOf = (deliveries: readonly Delivery[]) => deliveries.map(({ message }) => message.body.toString());
const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n).padStart(3, '0'));

/** A source that is closed when the test ends, however it ends. */
const sourceOf = (
  t: ExecutionContext,
  server: QueueServer,
  queueUrl: string,
  options: Partial<SqsSourceOptions> = {},
): Source => {
  const access = accessOf(server, new URL(queueUrl).origin);
  const source = createSqsSource({ queueUrl, ...access, visibilitySeconds: 2, ...options });
  t.teardown(source.close);
  return source;
};

const drain = async (source: Source, idleMs: number): Promise<string[]> => {
  const texts: string[] = [];
  for (;;) {
    const batch = await source.receive(limits, { signal: always, idleMs });
    if (batch.length === 0) return texts;
    texts.push(...textsOf(batch));
    await source.ack(batch);
  }
};

/** Runs `work` on a queue behind a door that changes what is asked and answered. */
const behindDoor = async (
  server: QueueServer,
  change: (asked: Asked, pass: (body: unknown) => Promise<Answer>) => Promise<Answer | undefined>,
  work: (queueUrl: string) => Promise<void>,
): Promise<void> => {
  const door = await startSqsDoor(server.url, change);
  try {
    await work(await makeQueue(server, { through: door.url }));
  } finally {
    door.close();
  }
};

const denied: Answer = {
  status: 403,
  body: { __type: 'com.amazonaws.sqs#AccessDeniedException', message: 'User is not authorized to perform this' },
};

serverTest('fauxqs', 'a delete that SQS reports as failed is sent again, and only that one', async (t, server) => {
  const deletes: number[] = [];
  const change = async ({ action, body }: Asked, pass: (body: unknown) => Promise<Answer>) => {
    if (action !== 'DeleteMessageBatch') return undefined;
    const entries = body.Entries as { Id: string }[];
    deletes.push(entries.length);
    if (deletes.length > 1) return undefined;
    const [failing, ...rest] = entries;
    const answer = await pass({ ...body, Entries: rest });
    const Failed = [{ Id: failing?.Id, SenderFault: false, Code: 'InternalError', Message: 'We are sorry' }];
    return { ...answer, body: { ...(answer.body as object), Failed } };
  };
  await behindDoor(server, change, async (queueUrl) => {
    await sendTo(server, queueUrl, numbers(5));
    const source = sourceOf(t, server, queueUrl);
    t.is((await drain(source, 500)).length, 5);
    await source.close();
    t.is(deletes[0], Math.max(...deletes));
    t.is(
      deletes.reduce((sum, count) => sum + count),
      6,
      `requests of ${deletes} entries`,
    );
    const again = sourceOf(t, server, queueUrl);
    t.deepEqual(await drain(again, 3_000), [], 'nothing comes again');
    await again.close();
  });
});

serverTest('fauxqs', 'a delete that fails to the last, or is our own fault, is told', async (t, server) => {
  let fault = false;
  let requests = 0;
  const change = async ({ action, body }: Asked) => {
    if (action !== 'DeleteMessageBatch') return undefined;
    requests += 1;
    const Failed = (body.Entries as { Id: string }[]).map(({ Id }) => ({ Id, SenderFault: fault, Code: 'X' }));
    return { status: 200, body: { Successful: [], Failed } };
  };
  await behindDoor(server, change, async (queueUrl) => {
    await sendTo(server, queueUrl, numbers(3));
    const source = sourceOf(t, server, queueUrl);
    const batch = await source.receive(limits, { signal: always });
    await t.throwsAsync(source.ack(batch), { message: /3 messages were not deleted/ });
    t.is(requests, 3, 'it was tried three times');
    fault = true;
    const again = await source.receive(limits, { signal: always });
    await t.throwsAsync(source.ack(again), { message: /messages? (was|were) not deleted/ });
    t.is(requests, 4, 'what is our own fault is not repeated');
    await source.close();
  });
});

serverTest('fauxqs', 'what only a person can repair ends the stream with what to do', async (t, server) => {
  const missing = sourceOf(t, server, `${server.url}/000000000000/no-such-queue`);
  const error = await t.throwsAsync(missing.receive(limits, { signal: always, idleMs: 60_000 }), {
    instanceOf: ConfigError,
  });
  t.regex(error?.message ?? '', /SQS_QUEUE_URL .*no-such-queue.*failed for good: .*check the queue/);
  await missing.close();

  for (const action of ['ReceiveMessage', 'DeleteMessageBatch', 'ChangeMessageVisibilityBatch']) {
    await behindDoor(
      server,
      async (asked) => (asked.action === action ? denied : undefined),
      async (queueUrl) => {
        await sendTo(server, queueUrl, numbers(1));
        const source = sourceOf(t, server, queueUrl, { visibilitySeconds: 1 });
        const work = async () => {
          const batch = await source.receive(limits, { signal: always, idleMs: 60_000 });
          if (action === 'DeleteMessageBatch') await source.ack(batch);
          // A renewal that is refused comes out of the next receive.
          await source.receive(limits, { signal: always, idleMs: 60_000 });
        };
        const refused = await t.throwsAsync(work(), { instanceOf: ConfigError }, action);
        t.regex(refused?.message ?? '', /AccessDenied.*what the credentials may do/, action);
        await source.close();
      },
    );
  }
});

serverTest('fauxqs', 'what SQS refuses to do as it is configured ends the stream', async (t, server) => {
  const source = sourceOf(t, server, await makeQueue(server), { visibilitySeconds: 50_000 });
  const refused = await t.throwsAsync(source.receive(limits, { signal: always, idleMs: 3_000 }), {
    instanceOf: ConfigError,
  });
  t.regex(refused?.message ?? '', /failed for good: .*InvalidParameterValue: .*43200/);
  await source.close();
});

serverTest('fauxqs', 'a queue that cannot be reached is told apart from one that is empty', async (t, server) => {
  const proxy = await startTcpProxy(Number(new URL(server.url).port));
  t.teardown(proxy.stop);
  const queueUrl = await makeQueue(server, { through: `http://127.0.0.1:${proxy.port}` });
  const news: ReachNews[] = [];
  const source = sourceOf(t, server, queueUrl, { onNews: (one) => void news.push(one) });
  const receive = (idleMs?: number) =>
    source.receive(limits, { signal: always, ...(idleMs !== undefined && { idleMs }) });
  t.deepEqual(await receive(200), [], 'it is there, and has nothing');
  t.deepEqual(news, []);
  proxy.cut();
  const away = await t.throwsAsync(receive(3_000), { instanceOf: RetryableError });
  t.regex(away?.message ?? '', /^SQS_QUEUE_URL ".*" cannot be read: ./);
  t.is(news.length, 1, 'the first of many attempts is told');
  t.is(news[0]?.kind, 'away');
  const waiting = receive();
  proxy.restore();
  await sendTo(server, queueUrl, ['000']);
  t.deepEqual(textsOf(await waiting), ['000'], 'a receive that may wait waits for it');
  t.deepEqual(
    news.map(({ kind }) => kind),
    ['away', 'back'],
  );
  await source.close();
});

serverTest('fauxqs', 'errors that pass are waited for', async (t, server) => {
  let failures = 0;
  const change = async ({ action }: Asked): Promise<Answer | undefined> => {
    // The client itself tries three times before the source hears of it.
    if (action !== 'ReceiveMessage' || failures >= 10) return undefined;
    failures += 1;
    if (failures <= 4) return { status: 403, body: { __type: 'RequestThrottled', message: 'slow down' } };
    if (failures <= 7) return { status: 403, body: { __type: 'OverLimit', message: 'too many in flight' } };
    return { status: 503, body: { __type: 'ServiceUnavailable', message: 'later' } };
  };
  await behindDoor(server, change, async (queueUrl) => {
    await sendTo(server, queueUrl, numbers(1));
    const source = sourceOf(t, server, queueUrl, { pollers: 1 });
    t.deepEqual(textsOf(await source.receive(limits, { signal: always, idleMs: 60_000 })), ['000']);
    t.is(failures, 10);
    await source.close();
  });
});

serverTest(
  'localstack',
  'a batch that is slower than its visibility is not delivered to others meanwhile',
  async (t, server) => {
    const queueUrl = await makeQueue(server);
    await sendTo(server, queueUrl, numbers(12));
    const source = sourceOf(t, server, queueUrl);
    const batch: Delivery[] = [];
    while (batch.length < 12) batch.push(...(await source.receive(limits, { signal: always })));
    const other = sourceOf(t, server, queueUrl);
    t.deepEqual(await other.receive(limits, { signal: always, idleMs: 6_000 }), [], 'three times its visibility later');
    await source.ack(batch);
    await source.close();
    t.deepEqual(await other.receive(limits, { signal: always, idleMs: 3_000 }), []);
    await other.close();
  },
);

serverTest(
  'localstack',
  'visibility is not renewed for ever: past the longest lease the message is delivered again',
  async (t, server) => {
    const queueUrl = await makeQueue(server);
    await sendTo(server, queueUrl, numbers(1));
    const source = sourceOf(t, server, queueUrl, { leaseSecondsMax: 4 });
    await source.receive(limits, { signal: always });
    const again = await source.receive(limits, { signal: always, idleMs: 15_000 });
    t.deepEqual(textsOf(again), ['000']);
    await source.ack(again);
    await source.close();
  },
);

serverTest(
  'localstack',
  'what could not be committed again and again goes to the dead-letter queue',
  async (t, server) => {
    const deadUrl = await makeQueue(server);
    const deadLetterTargetArn = `arn:aws:sqs:${server.region}:000000000000:${deadUrl.split('/').at(-1)}`;
    const queueUrl = await makeQueue(server, {
      attributes: { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: '3' }) },
    });
    await sendTo(server, queueUrl, ['never']);
    const source = sourceOf(t, server, queueUrl);
    let refused = 0;
    for (;;) {
      const batch = await source.receive(limits, { signal: always, idleMs: 3_000 });
      if (batch.length === 0) break;
      refused += batch.length;
      await source.nack(batch);
    }
    await source.close();
    t.is(refused, 3);
    const letters = sourceOf(t, server, deadUrl);
    t.deepEqual(await drain(letters, 1_000), ['never']);
    await letters.close();
  },
);

serverTest(
  'localstack',
  'messages of one FIFO group come in order, also after one was given back',
  async (t, server) => {
    const queueUrl = await makeQueue(server, { fifo: true });
    const bodies = numbers(45).map((text, n) => `"path":"g${n % 3}" ${text}`);
    const groupOf = (text: string) => text.slice(8, 10);
    await sendTo(server, queueUrl, bodies);
    const source = sourceOf(t, server, queueUrl);
    const acked: string[] = [];
    for (let round = 0; acked.length < bodies.length && round < 100; round++) {
      const batch = await source.receive({ ...limits, messagesMax: 4 }, { signal: always, idleMs: 5_000 });
      if (round % 4 === 1) await source.nack(batch);
      else {
        acked.push(...textsOf(batch));
        await source.ack(batch);
      }
    }
    await source.close();
    for (const group of ['g0', 'g1', 'g2']) {
      t.deepEqual(
        acked.filter((text) => groupOf(text) === group),
        bodies.filter((text) => groupOf(text) === group),
      );
    }
  },
);

for (const name of ['fauxqs', 'localstack'] as const) {
  for (const [how, idleMs] of [
    ['drained', 1_500],
    ['listened for as long as it was open', undefined],
  ] as const) {
    serverTest(
      name,
      `${name}: what comes after a source that ${how} has closed goes to the next one at once`,
      async (t, server) => {
        const queueUrl = await makeQueue(server);
        const stop = new AbortController();
        const source = sourceOf(t, server, queueUrl, { visibilitySeconds: 60 });
        if (idleMs === undefined) setTimeout(() => stop.abort(), 1_500);
        const receiving = { signal: stop.signal, ...(idleMs !== undefined && { idleMs }) };
        t.deepEqual(await source.receive(limits, receiving), []);
        const closing = performance.now();
        await source.close();
        const closedMs = performance.now() - closing;
        t.true(closedMs < 4_500, `closed after ${closedMs} ms`);
        await sendTo(server, queueUrl, ['000']);
        t.deepEqual(await drain(sourceOf(t, server, queueUrl), 1_500), ['000']);
      },
    );
  }
}

serverTest('fauxqs', 'a source closes soon also when SQS leaves its question unanswered', async (t, server) => {
  let asked = () => {};
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const silence = async ({ action }: Asked): Promise<Answer | undefined> => {
    if (action !== 'ReceiveMessage') return undefined;
    asked();
    return new Promise(() => undefined);
  };
  await behindDoor(server, silence, async (queueUrl) => {
    const stop = new AbortController();
    const source = createSqsSource({ queueUrl, ...accessOf(server, new URL(queueUrl).origin) });
    const receiving = source.receive(limits, { signal: stop.signal });
    await isAsked;
    stop.abort();
    t.deepEqual(await receiving, []);
    t.true(await Promise.race([source.close().then(() => true), sleep(10_000, false, { ref: false })]));
  });
});

serverTest(
  'fauxqs',
  'SQS keeps no stop waiting when it does not answer what is given back, nor an ack',
  async (t, server) => {
    t.timeout(20_000);
    const silence = async ({ action }: Asked): Promise<Answer | undefined> =>
      action === 'ReceiveMessage' ? undefined : new Promise(() => undefined);
    await behindDoor(server, silence, async (queueUrl) => {
      await sendTo(server, queueUrl, numbers(15));
      const source = createSqsSource({
        queueUrl,
        ...accessOf(server, new URL(queueUrl).origin),
        visibilitySeconds: 1,
        settleMsMax: 300,
      });
      const one = { ...limits, messagesMax: 1 };
      const [first, second] = [
        await source.receive(one, { signal: always }),
        await source.receive(one, { signal: always }),
      ];
      const begun = performance.now();
      await t.throwsAsync(source.ack(first), {
        instanceOf: RetryableError,
        message: /^1 message was not deleted .* because of SQS did not answer in time$/,
      });
      await source.nack(second);
      t.true(performance.now() - begun < 5_000);
      // By now a renewal waits for its answer, too.
      await sleep(500);
      t.true(await Promise.race([source.close().then(() => true), sleep(10_000, false, { ref: false })]));
    });
  },
);

serverTest('fauxqs', 'a source closes while more wait here than it may hold', async (t, server) => {
  const queueUrl = await makeQueue(server);
  await sendTo(server, queueUrl, numbers(30));
  const bufferMax = { messages: 5, bytes: 1_000_000 };
  const source = createSqsSource({ queueUrl, ...accessOf(server), bufferMax, pollers: 1 });
  await source.ack(await source.receive({ ...limits, messagesMax: 1, lingerMs: 0 }, { signal: always }));
  const closed = await Promise.race([source.close().then(() => true), sleep(6_000, false, { ref: false })]);
  t.true(closed);
  t.is((await drain(sourceOf(t, server, queueUrl), 1_500)).length, 29);
});

serverTest('fauxqs', 'what waits here is bounded in messages and in bytes', async (t, server) => {
  const queueUrl = await makeQueue(server);
  await sendTo(server, queueUrl, numbers(60));
  for (const bufferMax of [
    { messages: 10, bytes: 1_000_000 },
    { messages: 1_000, bytes: 30 },
  ]) {
    const source = sourceOf(t, server, queueUrl, { visibilitySeconds: 30, bufferMax, pollers: 1 });
    const first = await source.receive({ ...limits, lingerMs: 700 }, { signal: always });
    t.true(first.length <= 20, `${first.length} messages`);
    await source.nack(first);
    await source.close();
  }
});
