import { Duration, PubSub, type Message as PubSubMessage, type Topic } from '@google-cloud/pubsub';
import type { Message } from '../../events/message.ts';
import { ConfigError, FatalError, messageOf } from '../errors.ts';
import { createInbox } from './inbox.ts';
import type { Delivery, Source } from './source.ts';

/** gRPC status codes that no retry repairs, as far as they concern a subscription. */
const code = { notFound: 5, alreadyExists: 6, permissionDenied: 7, invalidArgument: 3, unauthenticated: 16 } as const;

export type PubSubConnection = {
  readonly project: string;
  /** `host:port` of an emulator; the client falls back to Google's own service without it. */
  readonly emulatorHost?: string | undefined;
};

export type PubSubSourceOptions = PubSubConnection & {
  readonly subscription: string;
  /** Received and not yet acked, buffer included. 1,000 caps the client near 9,000 messages/s. */
  readonly messagesMax?: number;
  readonly bytesMax?: number;
  /** A message's lease is extended for at most this long; then the broker delivers it again. Pub/Sub's limit is an hour. */
  readonly leaseSecondsMax?: number;
  /** How long `close` waits for batches in hand before it gives them back. */
  readonly closeTimeoutMs?: number;
};

/** An emulator knows no credentials: with the universe given, the client asks no metadata server for them. */
const connect = ({ project, emulatorHost }: PubSubConnection): PubSub =>
  new PubSub({
    projectId: project,
    ...(emulatorHost && {
      apiEndpoint: emulatorHost,
      emulatorMode: true,
      clientOptions: { universeDomain: 'googleapis.com' },
    }),
  });

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code;

const explain = (error: Error, subscription: string): Error => {
  const at = `PUBSUB_SUBSCRIPTION "${subscription}"`;
  switch (codeOf(error)) {
    case code.notFound:
      return new ConfigError(`${at} does not exist; create it, or correct the name or PUBSUB_PROJECT`, {
        cause: error,
      });
    case code.permissionDenied:
    case code.unauthenticated:
      return new ConfigError(`${at} may not be read with these credentials; grant roles/pubsub.subscriber`, {
        cause: error,
      });
    case code.invalidArgument:
      return new ConfigError(`${at} is not usable: ${messageOf(error)}`, { cause: error });
    default:
      return new FatalError(`The stream of ${at} ended: ${messageOf(error)}`, { cause: error });
  }
};

/**
 * Streaming pull over one stream. The client retries what is transient; anything that ends the stream comes out of `receive`.
 * Acks are confirmed one by one where the subscription has exactly-once delivery, and flushed by `close` elsewhere.
 */
export const createPubSubSource = (options: PubSubSourceOptions): Source => {
  const client = connect(options);
  const subscription = client.subscription(options.subscription, {
    flowControl: {
      allowExcessMessages: false,
      maxMessages: options.messagesMax ?? 10_000,
      maxBytes: options.bytesMax ?? 64 * 1024 * 1024,
    },
    streamingOptions: { maxStreams: 1 },
    maxExtensionTime: Duration.from({ seconds: Math.min(options.leaseSecondsMax ?? 1_800, 3_600) }),
    closeOptions: { behavior: 'WAIT', timeout: Duration.from({ millis: options.closeTimeoutMs ?? 30_000 }) },
  });
  const inbox = createInbox();
  const held = new Map<Delivery, PubSubMessage>();
  let listening = false;
  let closing: Promise<void> | undefined;

  const onMessage = (message: PubSubMessage) => {
    const delivery = { message: { body: message.data, attributes: message.attributes }, deliveryId: message.id };
    if (closing) return message.nack();
    held.set(delivery, message);
    inbox.put(delivery, message.length);
  };

  /** The stream opens with the first `receive`: a source that is never read takes nothing from the broker. */
  const listen = () => {
    if (listening || closing) return;
    listening = true;
    subscription.on('error', (error: Error) => inbox.fail(explain(error, options.subscription)));
    subscription.on('message', onMessage);
  };

  const settle = async (deliveries: readonly Delivery[], how: 'ackWithResponse' | 'nackWithResponse') => {
    const messages = deliveries.flatMap((delivery) => held.get(delivery) ?? []);
    for (const delivery of deliveries) held.delete(delivery);
    await Promise.allSettled(messages.map((message) => message[how]()));
  };

  const shutDown = async () => {
    await settle(inbox.close(), 'nackWithResponse');
    if (listening) await subscription.close();
    await client.close();
  };

  return {
    name: 'pubsub',
    receive(limits, receiving) {
      listen();
      return inbox.take(limits, receiving);
    },
    ack: (deliveries) => settle(deliveries, 'ackWithResponse'),
    nack: (deliveries) => settle(deliveries, 'nackWithResponse'),
    close() {
      closing ??= shutDown();
      return closing;
    },
  };
};

export type PubSubPublisher = {
  /** Resolves when the broker has stored all of them. Messages of one ordering key keep their order. */
  publish(messages: readonly (Message & { readonly orderingKey?: string })[]): Promise<void>;
  close(): Promise<void>;
};

export const createPubSubPublisher = (options: PubSubConnection & { readonly topic: string }): PubSubPublisher => {
  const client = connect(options);
  const topic: Topic = client.topic(options.topic, { messageOrdering: true });
  return {
    async publish(messages) {
      await Promise.all(
        messages.map(({ body, attributes, orderingKey }) =>
          topic.publishMessage({ data: body, attributes: { ...attributes }, ...(orderingKey ? { orderingKey } : {}) }),
        ),
      );
    },
    async close() {
      await topic.flush();
      await client.close();
    },
  };
};

/** Creates topic and subscription where they are missing. For the demo, the emulator and tests; repeating it is harmless. */
export const ensurePubSub = async (
  options: PubSubConnection & {
    readonly topic: string;
    readonly subscription: string;
    readonly ordered?: boolean;
    readonly exactlyOnce?: boolean;
    readonly ackDeadlineSeconds?: number;
  },
): Promise<void> => {
  const client = connect(options);
  const unlessThere = (error: unknown) => {
    if (codeOf(error) !== code.alreadyExists) throw error;
  };
  try {
    await client.createTopic(options.topic).catch(unlessThere);
    await client
      .createSubscription(options.topic, options.subscription, {
        enableMessageOrdering: options.ordered ?? false,
        enableExactlyOnceDelivery: options.exactlyOnce ?? false,
        ackDeadlineSeconds: options.ackDeadlineSeconds ?? 60,
      })
      .catch(unlessThere);
  } finally {
    await client.close();
  }
};
