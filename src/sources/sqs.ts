import {
  ChangeMessageVisibilityBatchCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
  type Message as SqsMessage,
} from '@aws-sdk/client-sqs';
import type { Message } from '../../events/message.ts';
import { ConfigError, messageOf, RetryableError } from '../errors.ts';
import { backoffMs, pause } from './backoff.ts';
import { createInbox } from './inbox.ts';
import type { Delivery, Source } from './source.ts';

/** SQS takes and gives at most this many in one request. */
const batchMax = 10;
const attempts = 3;
/** SQS refuses a visibility past 12 hours after the receive; leave the last minutes to the broker. */
const holdMsMax = 11.5 * 60 * 60 * 1000;

export type SqsConnection = {
  readonly queueUrl: string;
  readonly endpoint?: string | undefined;
  readonly region: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
};

export type SqsSourceOptions = SqsConnection & {
  /** Long polls open at once. A FIFO queue gets one, so that groups arrive in order. */
  readonly pollers?: number;
  readonly visibilitySeconds?: number;
  /** How long a message that was given back stays invisible. */
  readonly nackDelaySeconds?: number;
  readonly bufferMax?: number;
};

type Held = { receiptHandle: string; readonly group: string | undefined; readonly receivedMs: number };
type BatchEntry = { readonly Id: string; readonly ReceiptHandle: string };

const connect = ({ endpoint, region, credentials }: Omit<SqsConnection, 'queueUrl'>): SQSClient =>
  new SQSClient({ region, ...(endpoint ? { endpoint } : {}), ...(credentials ? { credentials } : {}) });

const misconfigured = new Set([
  'QueueDoesNotExist',
  'AWS.SimpleQueueService.NonExistentQueue',
  'AccessDenied',
  'AccessDeniedException',
  'InvalidClientTokenId',
  'SignatureDoesNotMatch',
  'InvalidAddress',
  'CredentialsProviderError',
]);

const isMisconfigured = (error: unknown): boolean => error instanceof Error && misconfigured.has(error.name);

const toMessage = (sent: SqsMessage): Message => ({
  body: Buffer.from(sent.Body ?? ''),
  attributes: {
    ...sent.Attributes,
    ...Object.fromEntries(
      Object.entries(sent.MessageAttributes ?? {}).map(([name, value]) => [
        name,
        value.StringValue ?? Buffer.from(value.BinaryValue ?? []).toString('base64'),
      ]),
    ),
  },
});

const chunks = <T>(items: readonly T[]): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(items.length / batchMax) }, (_, n) => items.slice(n * batchMax, (n + 1) * batchMax));

/** Sends entries ten at a time; SQS reports failure by entry, and those are repeated. Resolves with what failed to the last. */
const sendAll = async <E extends { readonly Id: string }>(
  entries: readonly E[],
  send: (entries: E[]) => Promise<{ Failed?: { Id: string | undefined }[] | undefined }>,
): Promise<readonly E[]> => {
  const never = new AbortController().signal;
  let rest = entries;
  for (let attempt = 0; attempt < attempts && rest.length > 0; attempt += 1) {
    if (attempt > 0) await pause(backoffMs(attempt, 2_000), never);
    const failed: E[] = [];
    for (const chunk of chunks(rest)) {
      const answer = await send([...chunk]).catch(() => undefined);
      const ids = new Set(answer?.Failed?.map((entry) => entry.Id));
      failed.push(...(answer === undefined ? chunk : chunk.filter((entry) => ids.has(entry.Id))));
    }
    rest = failed;
  }
  return rest;
};

/**
 * Long polls of ten messages each, merged up to the batch limits. Everything held is kept invisible until it is acked or
 * given back. Dead letters are the queue's own redrive policy: `nack` only returns a message, SQS counts the receives.
 */
export const createSqsSource = (options: SqsSourceOptions): Source => {
  const client = connect(options);
  const { queueUrl: QueueUrl } = options;
  const fifo = QueueUrl.endsWith('.fifo');
  const visibility = options.visibilitySeconds ?? 60;
  const bufferMax = options.bufferMax ?? 1_000;
  const inbox = createInbox();
  const held = new Map<Delivery, Held>();
  const stop = new AbortController();
  let polling: Promise<unknown> | undefined;
  let closing: Promise<void> | undefined;
  let heartbeat: NodeJS.Timeout | undefined;
  let beating: Promise<unknown> = Promise.resolve();

  const entriesOf = (handles: readonly string[]): readonly BatchEntry[] =>
    handles.map((ReceiptHandle, n) => ({ Id: String(n), ReceiptHandle }));

  const setVisibility = (handles: readonly string[], VisibilityTimeout: number) =>
    sendAll(
      entriesOf(handles).map((entry) => ({ ...entry, VisibilityTimeout })),
      (Entries) => client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries })),
    );

  const release = (deliveries: readonly Delivery[]): readonly string[] => {
    const handles = deliveries.flatMap((delivery) => held.get(delivery)?.receiptHandle ?? []);
    for (const delivery of deliveries) held.delete(delivery);
    return handles;
  };

  const extend = () => {
    const young = [...held.values()].filter((one) => Date.now() - one.receivedMs < holdMsMax);
    beating = beating.then(() =>
      setVisibility(
        young.map((one) => one.receiptHandle),
        visibility,
      ),
    );
  };

  const accept = (sent: SqsMessage) => {
    const delivery = { message: toMessage(sent), deliveryId: sent.MessageId ?? '' };
    const group = sent.Attributes?.MessageGroupId;
    held.set(delivery, { receiptHandle: sent.ReceiptHandle ?? '', group, receivedMs: Date.now() });
    inbox.put(delivery, delivery.message.body.length);
  };

  const poll = async () => {
    let failures = 0;
    while (!stop.signal.aborted) {
      await inbox.room(bufferMax);
      if (stop.signal.aborted) return;
      try {
        const answer = await client.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: batchMax,
            WaitTimeSeconds: 20,
            VisibilityTimeout: visibility,
            MessageAttributeNames: ['All'],
            MessageSystemAttributeNames: ['All'],
          }),
          { abortSignal: stop.signal },
        );
        failures = 0;
        for (const sent of answer.Messages ?? []) accept(sent);
      } catch (error) {
        if (stop.signal.aborted) return;
        if (isMisconfigured(error)) {
          const text = `SQS_QUEUE_URL "${QueueUrl}" can't be read: ${messageOf(error)}; check queue, region and credentials`;
          return inbox.fail(new ConfigError(text, { cause: error }));
        }
        await pause(backoffMs(failures++, 20_000), stop.signal);
      }
    }
  };

  const listen = () => {
    if (polling || closing) return;
    polling = Promise.all(Array.from({ length: fifo ? 1 : (options.pollers ?? 3) }, poll));
    heartbeat = setInterval(extend, (visibility * 1000) / 3);
  };

  const giveBack = async (deliveries: readonly Delivery[], delaySeconds: number) => {
    await setVisibility(release(deliveries), delaySeconds);
  };

  const shutDown = async () => {
    stop.abort();
    await polling;
    clearInterval(heartbeat);
    await beating;
    await giveBack(inbox.close(), 0);
    client.destroy();
  };

  return {
    name: 'sqs',
    receive(limits, receiving) {
      listen();
      return inbox.take(limits, receiving);
    },
    async ack(deliveries) {
      const lost = await sendAll(entriesOf(release(deliveries)), (Entries) =>
        client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries })),
      );
      if (lost.length > 0) throw new RetryableError(`${lost.length} messages were not deleted from ${QueueUrl}`);
    },
    /** In a FIFO queue the later messages of the same groups go back too, else they would overtake. */
    async nack(deliveries) {
      const groups = new Set(deliveries.map((delivery) => held.get(delivery)?.group));
      const later = fifo ? inbox.withdraw((delivery) => groups.has(held.get(delivery)?.group)) : [];
      await giveBack([...deliveries, ...later], options.nackDelaySeconds ?? 0);
    },
    close() {
      closing ??= shutDown();
      return closing;
    },
  };
};

export type SqsPublisher = {
  /** Resolves when SQS has stored all of them. `group` is for FIFO queues, `dedupeId` too. */
  publish(messages: readonly (Message & { readonly group?: string; readonly dedupeId?: string })[]): Promise<void>;
  close(): Promise<void>;
};

export const createSqsPublisher = (options: SqsConnection): SqsPublisher => {
  const client = connect(options);
  return {
    async publish(messages) {
      const entries = messages.map(({ body, attributes, group, dedupeId }, n) => ({
        Id: String(n),
        MessageBody: body.toString('utf8'),
        MessageAttributes: Object.fromEntries(
          Object.entries(attributes).map(([name, StringValue]) => [name, { DataType: 'String', StringValue }]),
        ),
        ...(group ? { MessageGroupId: group } : {}),
        ...(dedupeId ? { MessageDeduplicationId: dedupeId } : {}),
      }));
      const lost = await sendAll(entries, (Entries) =>
        client.send(new SendMessageBatchCommand({ QueueUrl: options.queueUrl, Entries })),
      );
      if (lost.length > 0) throw new RetryableError(`${lost.length} messages were not sent to ${options.queueUrl}`);
    },
    async close() {
      client.destroy();
    },
  };
};

/** Creates the queue, or finds it. Resolves with its URL. */
export const ensureQueue = async (
  options: Omit<SqsConnection, 'queueUrl'> & {
    readonly queueName: string;
    readonly attributes?: Readonly<Record<string, string>>;
  },
): Promise<string> => {
  const client = connect(options);
  try {
    const { QueueUrl } = await client.send(
      new CreateQueueCommand({ QueueName: options.queueName, Attributes: { ...options.attributes } }),
    );
    if (!QueueUrl) throw new RetryableError(`SQS gave no URL for the queue "${options.queueName}"`);
    return QueueUrl;
  } finally {
    client.destroy();
  }
};
