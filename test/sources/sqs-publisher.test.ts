import type { ExecutionContext } from 'ava';
import { RetryableError } from '../../src/errors.ts';
import { createSqsPublisher, type SqsPublisher } from '../../src/sources/sqs-publisher.ts';
import { serverTest } from '../support/servers.ts';
import { accessOf, makeQueue, type QueueServer } from './queue.ts';
import { type Answer, startSqsDoor } from './sqs-door.ts';

type Sent = { readonly Id: string; readonly MessageBody: string };

/** A publisher to a queue behind a door that answers a request itself where `change` says so; and the requests it let in. */
const behindDoor = async (
  t: ExecutionContext,
  server: QueueServer,
  fifo: boolean,
  change: (entries: readonly Sent[]) => Answer | undefined = () => undefined,
): Promise<{ publisher: SqsPublisher; requests: (readonly Sent[])[] }> => {
  const requests: (readonly Sent[])[] = [];
  const door = await startSqsDoor(server.url, async ({ action, body }) => {
    if (action !== 'SendMessageBatch') return undefined;
    const entries = body.Entries as readonly Sent[];
    const answer = change(entries);
    if (!answer) requests.push(entries);
    return answer;
  });
  t.teardown(door.close);
  const queueUrl = await makeQueue(server, { fifo, through: door.url });
  const publisher = createSqsPublisher({ queueUrl, ...accessOf(server, door.url) });
  t.teardown(publisher.close);
  return { publisher, requests };
};

const messagesOf = (bodies: readonly string[], attributes: Readonly<Record<string, string>> = {}) =>
  bodies.map((body) => ({ body: Buffer.from(body), attributes, group: 'one' }));

const unavailable: Answer = { status: 503, body: { __type: 'ServiceUnavailable', message: 'come again' } };

serverTest('fauxqs', 'a request carries no more bytes than every SQS takes, attributes included', async (t, server) => {
  for (const fifo of [false, true]) {
    const { publisher, requests } = await behindDoor(t, server, fifo);
    const bodies = Array.from({ length: 12 }, (_, n) => `${n}`.padEnd(60_000, 'é'));
    await publisher.publish(messagesOf(bodies));
    await publisher.publish(messagesOf(['a', 'b', 'c'], { name: 'x'.repeat(100_000) }));
    t.deepEqual(
      requests.map((entries) => entries.length).sort(),
      [...Array.from({ length: 6 }, () => 2), 2, 1].sort(),
      'two bodies of 120 kB a request, and two of three messages with 100 kB of attributes',
    );
  }
});

serverTest(
  'fauxqs',
  'messages of a FIFO queue stay in order when a request in their middle fails',
  async (t, server) => {
    let failures = 0;
    const change = ([first]: readonly Sent[]) =>
      first?.MessageBody === '010' && failures++ < 4 ? unavailable : undefined;
    const { publisher, requests } = await behindDoor(t, server, true, change);
    const bodies = Array.from({ length: 35 }, (_, n) => String(n).padStart(3, '0'));
    await publisher.publish(messagesOf(bodies));
    t.true(failures > 4);
    t.deepEqual(
      requests.flat().map(({ MessageBody }) => MessageBody),
      bodies,
    );
  },
);

serverTest('fauxqs', 'nothing overtakes a message that a FIFO queue does not take', async (t, server) => {
  const change = ([first]: readonly Sent[]) => (first?.MessageBody === '010' ? unavailable : undefined);
  const { publisher, requests } = await behindDoor(t, server, true, change);
  const bodies = Array.from({ length: 35 }, (_, n) => String(n).padStart(3, '0'));
  await t.throwsAsync(publisher.publish(messagesOf(bodies)), { instanceOf: RetryableError, message: /^25 messages/ });
  t.deepEqual(
    requests.flat().map(({ MessageBody }) => MessageBody),
    bodies.slice(0, 10),
  );
});

serverTest('fauxqs', 'of a request, only the message that SQS failed is sent again', async (t, server) => {
  const sent: (readonly string[])[] = [];
  const door = await startSqsDoor(server.url, async ({ action, body }, pass) => {
    if (action !== 'SendMessageBatch') return undefined;
    const entries = body.Entries as readonly Sent[];
    sent.push(entries.map(({ MessageBody }) => MessageBody));
    const failing = entries.find(({ MessageBody }) => MessageBody === '003' || MessageBody === '015');
    if (!failing || (failing.MessageBody === '003' && sent.length > 1)) return undefined;
    const answer = await pass({ ...body, Entries: entries.filter((entry) => entry !== failing) });
    const SenderFault = failing.MessageBody === '015';
    const Failed = [{ Id: failing.Id, SenderFault, Code: 'InternalError', Message: 'We are sorry' }];
    return { ...answer, body: { ...(answer.body as object), Failed } };
  });
  t.teardown(door.close);
  const queueUrl = await makeQueue(server, { fifo: true, through: door.url });
  const publisher = createSqsPublisher({ queueUrl, ...accessOf(server, door.url) });
  t.teardown(publisher.close);
  const bodies = Array.from({ length: 35 }, (_, n) => String(n).padStart(3, '0'));
  await t.throwsAsync(publisher.publish(messagesOf(bodies)), {
    instanceOf: RetryableError,
    message: /^16 messages were not sent to .*, the first because of InternalError: We are sorry$/,
  });
  t.deepEqual(sent, [bodies.slice(0, 10), ['003'], bodies.slice(10, 20)]);
});
