import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  type Message as SqsMessage,
} from '@aws-sdk/client-sqs';
import type { Message } from '../../events/message.ts';
import { ConfigError, messageOf, RetryableError } from '../errors.ts';
import { counted } from '../text.ts';
import { backoffMs, pause } from './backoff.ts';
import { createInbox } from './inbox.ts';
import { createReach, type ReachOptions } from './reach.ts';
import type { Delivery, Source } from './source.ts';
import { batchMax, connectSqs, isFifo, misconfigured, type SqsConnection, sendAll } from './sqs-client.ts';

/** SQS refuses a visibility past 12 hours after the receive; leave the last minutes to the broker. */
const leaseSecondsLimit = 11.5 * 60 * 60;
/** How long SQS waits for a message, in seconds: a stop lasts as long, so it is less than the 20 that SQS allows. */
const pollSeconds = { listening: 3, draining: 1 };
/** What an answer may take beyond that before a stop gives it up. */
const lateMs = 2_000;
/**
 * What SQS may take to hear that messages are done, or go back, beside 10 ms for each: one that does not answer would keep a
 * stop waiting, and delivers them again.
 */
const settleMsDefault = 20_000;
const settleMsEach = 10;

export type SqsSourceOptions = SqsConnection & {
  /** Long polls open at once. A FIFO queue gets one, so that groups arrive in order. */
  readonly pollers?: number;
  readonly visibilitySeconds?: number;
  /** A message is kept invisible for at most this long after its receive; then SQS delivers it again. */
  readonly leaseSecondsMax?: number;
  /** How long a message that was given back stays invisible. */
  readonly nackDelaySeconds?: number;
  /** Received and not handed out yet; each poller may exceed it by one answer. */
  readonly bufferMax?: { readonly messages: number; readonly bytes: number };
  /** How long an `ack` or `nack` may take before it is given up, in milliseconds; 10 more for each message. */
  readonly settleMsMax?: number;
  readonly onNews?: ReachOptions['onNews'];
};

type Held = { receiptHandle: string; readonly group: string | undefined; readonly receivedMs: number };

const textsOf = (attributes: NonNullable<SqsMessage['MessageAttributes']>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [
      name,
      value.StringValue ?? Buffer.from(value.BinaryValue ?? []).toString('base64'),
    ]),
  );

/** What the producer sent. SQS's own attributes stay out: they differ with every receive of the same message. */
const toMessage = (sent: SqsMessage): Message => ({
  body: Buffer.from(sent.Body ?? ''),
  attributes: sent.MessageAttributes ? textsOf(sent.MessageAttributes) : {},
});

/**
 * Long polls of ten messages each, merged up to the batch limits. Everything held is kept invisible until it is acked or
 * given back. Dead letters are the queue's own redrive policy: `nack` only returns a message, SQS counts the receives.
 * What only a person can repair (no such queue, no permission, bad credentials) comes out of `receive` and `ack` as
 * ConfigError; anything else is told to `onNews` and tried again.
 */
export const createSqsSource = (options: SqsSourceOptions): Source => {
  const client = connectSqs(options);
  const { queueUrl: QueueUrl } = options;
  const fifo = isFifo(QueueUrl);
  const visibility = Math.ceil(options.visibilitySeconds ?? 60);
  const leaseMsMax = Math.min(options.leaseSecondsMax ?? 1_800, leaseSecondsLimit) * 1_000;
  const bufferMax = options.bufferMax ?? { messages: 5_000, bytes: 64 * 1024 * 1024 };
  const inbox = createInbox();
  const reach = createReach({ name: `SQS_QUEUE_URL "${QueueUrl}"`, onNews: options.onNews });
  const held = new Map<Delivery, Held>();
  const stop = new AbortController();
  const giveUp = new AbortController();
  let waitSeconds = pollSeconds.listening;
  let polling: Promise<unknown> | undefined;
  let closing: Promise<void> | undefined;
  let heartbeat: NodeJS.Timeout | undefined;
  let beating: Promise<void> | undefined;

  const inTime = ({ length }: readonly string[]) =>
    AbortSignal.timeout((options.settleMsMax ?? settleMsDefault) + length * settleMsEach);

  const setVisibility = (handles: readonly string[], VisibilityTimeout: number, signal: AbortSignal) =>
    sendAll(
      handles.map((ReceiptHandle, n) => ({ Id: String(n), ReceiptHandle, VisibilityTimeout })),
      QueueUrl,
      (Entries) => client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }), { abortSignal: signal }),
      { signal },
    );

  const release = (deliveries: readonly Delivery[]): readonly string[] => {
    const handles = deliveries.flatMap((delivery) => held.get(delivery)?.receiptHandle ?? []);
    for (const delivery of deliveries) held.delete(delivery);
    return handles;
  };

  const fail = (error: Error) => {
    inbox.fail(error);
    reach.end();
  };

  /** One renewal at a time: a slow one makes the next wait for its turn of the clock. */
  const extend = () => {
    const now = Date.now();
    const handles = [...held.values()]
      .filter(({ receivedMs }) => now + visibility * 1_000 - receivedMs <= leaseMsMax)
      .map(({ receiptHandle }) => receiptHandle);
    beating ??= setVisibility(handles, visibility, giveUp.signal)
      .then(
        () => undefined,
        (error: unknown) => fail(error as Error),
      )
      .finally(() => {
        beating = undefined;
      });
  };

  const accept = (sent: SqsMessage) => {
    const delivery = { message: toMessage(sent), deliveryId: sent.MessageId ?? '' };
    const group = sent.Attributes?.MessageGroupId;
    held.set(delivery, { receiptHandle: sent.ReceiptHandle ?? '', group, receivedMs: Date.now() });
    inbox.put(delivery, delivery.message.body.length);
  };

  /** The first question, also after one that failed, does not wait for messages: its answer tells that the queue is there. */
  const poll = async () => {
    let failures = 0;
    let answered = false;
    while (!stop.signal.aborted) {
      await inbox.room(bufferMax, stop.signal);
      if (stop.signal.aborted) return;
      try {
        const answer = await client.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: batchMax,
            WaitTimeSeconds: answered ? waitSeconds : 0,
            VisibilityTimeout: visibility,
            MessageAttributeNames: ['All'],
            ...(fifo && { MessageSystemAttributeNames: ['MessageGroupId'] }),
          }),
          { abortSignal: giveUp.signal },
        );
        failures = 0;
        answered = true;
        reach.answered();
        for (const sent of answer.Messages ?? []) accept(sent);
      } catch (error) {
        if (stop.signal.aborted) return;
        const problem = misconfigured(error, QueueUrl, 'receiving from');
        if (problem) return fail(problem);
        answered = false;
        reach.failed(messageOf(error));
        await pause(backoffMs(failures++, 20_000), stop.signal);
      }
    }
  };

  const listen = () => {
    if (polling || closing) return;
    polling = Promise.all(Array.from({ length: fifo ? 1 : (options.pollers ?? 3) }, poll));
    heartbeat = setInterval(extend, (visibility * 1_000) / 3);
  };

  const giveBack = async (deliveries: readonly Delivery[], delaySeconds: number) => {
    const handles = release(deliveries);
    await setVisibility(handles, delaySeconds, inTime(handles));
  };

  /** Open questions are let end: SQS answers one that was cut off, too, and hides from everybody what it gave to nobody. */
  const shutDown = async () => {
    stop.abort();
    reach.end();
    const late = setTimeout(() => giveUp.abort(), waitSeconds * 1_000 + lateMs);
    await polling;
    clearInterval(heartbeat);
    await beating;
    clearTimeout(late);
    await giveBack(inbox.close(), 0);
    client.destroy();
  };

  return {
    name: 'sqs',
    receive(limits, receiving) {
      waitSeconds = receiving.idleMs === undefined ? pollSeconds.listening : pollSeconds.draining;
      listen();
      return reach.receive(() => inbox.take(limits, receiving), receiving);
    },
    async ack(deliveries) {
      const handles = release(deliveries);
      const signal = inTime(handles);
      const lost = await sendAll(
        handles.map((ReceiptHandle, n) => ({ Id: String(n), ReceiptHandle })),
        QueueUrl,
        (Entries) => client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }), { abortSignal: signal }),
        { signal },
      );
      if (lost.length === 0) return;
      throw new RetryableError(
        `${counted(lost.length, 'message was', 'messages were')} not deleted from ${QueueUrl}, the first because of ${lost[0]?.reason}`,
      );
    },
    /** In a FIFO queue the later messages of the same groups go back too, else they would overtake. */
    async nack(deliveries) {
      const groups = new Set(deliveries.map((delivery) => held.get(delivery)?.group));
      const later = fifo ? inbox.withdraw((delivery) => groups.has(held.get(delivery)?.group)) : [];
      await giveBack([...deliveries, ...later], options.nackDelaySeconds ?? 0);
    },
    close() {
      closing ??= shutDown().catch((error: unknown) => {
        client.destroy();
        if (!(error instanceof ConfigError)) throw error;
      });
      return closing;
    },
  };
};
