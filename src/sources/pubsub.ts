import { once } from 'node:events';
import { Duration, type Message as PubSubMessage } from '@google-cloud/pubsub';
import { ConfigError, FatalError, messageOf, RetryableError } from '../errors.ts';
import { backoffMs, pause } from './backoff.ts';
import { collectEarly } from './early-collection.ts';
import { createInbox } from './inbox.ts';
import { codeOf, connectPubSub, type PubSubConnection } from './pubsub-client.ts';
import { createReach, type ReachOptions } from './reach.ts';
import type { Delivery, Source } from './source.ts';

export type PubSubSourceOptions = PubSubConnection & {
  readonly subscription: string;
  /** Received and not yet acked, buffer included. 1,000 caps the client near 9,000 messages/s. */
  readonly messagesMax?: number;
  readonly bytesMax?: number;
  /** A message's lease is extended for at most this long; then the broker delivers it again. Pub/Sub's limit is an hour. */
  readonly leaseSecondsMax?: number;
  /**
   * How long one extension of a lease reaches, at most: what a killed process had in hand comes again after this time.
   * Left alone, the client goes up to ten minutes when acks are slow. With exactly-once delivery Pub/Sub wants 60 or more.
   */
  readonly extensionSecondsMax?: number;
  /**
   * How long `ack` waits for Pub/Sub to confirm, where delivery is exactly once. The client itself goes on for ten minutes,
   * and nothing would be received, nor could the service stop, meanwhile.
   */
  readonly confirmMsMax?: number;
  /** How long `close` waits for batches in hand before it gives them back. */
  readonly closeTimeoutMs?: number;
  readonly onNews?: ReachOptions['onNews'];
};

/** gRPC status codes that no retry repairs, as far as they concern a subscription. */
const code = {
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  failedPrecondition: 9,
  unimplemented: 12,
  unauthenticated: 16,
} as const;

/**
 * A definite answer: who gets it need not ask on. Mostly the broker's own, and no network's; but a proxy that answers with
 * HTTP 401, 403 or 404 looks the same, since the client makes gRPC codes of these.
 */
const isAnswer = (error: unknown): boolean => Object.values<unknown>(code).includes(codeOf(error));

/** A stream may end with any other code, such as UNKNOWN while no access token can be had. Without one, it never began. */
const passes = (error: unknown): boolean => typeof codeOf(error) === 'number' && !isAnswer(error);

const askMsMax = 5_000;
/** The client gives up when it never was connected for so long; left alone, after five minutes. The most that a timer counts. */
const firstConnectMsMax = 2 ** 31 - 1;

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
    case code.failedPrecondition:
    case code.unimplemented:
      return new ConfigError(`${at} is not usable: ${messageOf(error)}`, { cause: error });
    default:
      return new FatalError(`The stream of ${at} ended: ${messageOf(error)}`, { cause: error });
  }
};

/**
 * Streaming pull over one stream. The client retries much of what is transient; a stream that ends all the same is opened
 * again, once the client has seen to what is in hand, unless Pub/Sub refuses it: that comes out of `receive`.
 * The client does not tell whether its stream is open, and Pub/Sub ends each stream after a while: so when one opens or
 * ends, Pub/Sub is asked until it answers, and trouble is told to `onNews`.
 * Acks are confirmed one by one where the subscription has exactly-once delivery, and flushed by `close` elsewhere.
 * Leases are extended by the client while messages are in hand, a minute at most at a time. With ordering keys, a message
 * that goes back takes along the later ones of its key that wait here: Pub/Sub delivers all of them again, in order. Dead
 * letters are the subscription's own policy: it counts how often a message came back.
 */
export const createPubSubSource = (options: PubSubSourceOptions): Source => {
  const client = connectPubSub(options);
  const subscription = client.subscription(options.subscription, {
    flowControl: {
      allowExcessMessages: false,
      maxMessages: options.messagesMax ?? 10_000,
      maxBytes: options.bytesMax ?? 64 * 1024 * 1024,
    },
    streamingOptions: { maxStreams: 1, timeout: firstConnectMsMax },
    maxAckDeadline: Duration.from({ seconds: options.extensionSecondsMax ?? 60 }),
    maxExtensionTime: Duration.from({ seconds: Math.min(options.leaseSecondsMax ?? 1_800, 3_600) }),
    closeOptions: { behavior: 'WAIT', timeout: Duration.from({ millis: options.closeTimeoutMs ?? 30_000 }) },
  });
  const inbox = createInbox();
  const reach = createReach({ name: `PUBSUB_SUBSCRIPTION "${options.subscription}"`, onNews: options.onNews });
  const stop = new AbortController();
  const held = new Map<Delivery, PubSubMessage>();
  let listening = false;
  /** The stream has ended, and all acks that belong to it are sent. */
  let isFlushed = false;
  let reopenings = 0;
  let asking: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  const onMessage = (message: PubSubMessage) => {
    const delivery = { message: { body: message.data, attributes: message.attributes }, deliveryId: message.id };
    if (closing) return message.nack();
    reopenings = 0;
    reach.answered();
    held.set(delivery, message);
    inbox.put(delivery, message.length);
  };

  const fail = (error: Error) => {
    if (passes(error)) return reach.failed(messageOf(error));
    inbox.fail(explain(error, options.subscription));
    stop.abort();
    reach.end();
  };

  /** An answer counts only where there is a stream, too: else nothing would come, and that would pass for all there is. */
  const answered = () => {
    if (subscription.isOpen) reach.answered();
  };

  /** A question that needs no permission, and that the emulator answers with that it does not know it. */
  const ask = async (): Promise<void> => {
    const permission = 'pubsub.subscriptions.consume';
    for (let failures = 0; !stop.signal.aborted; failures += 1) {
      try {
        await subscription.iam.testPermissions(permission, { timeout: askMsMax, retry: null });
        return answered();
      } catch (error) {
        if (stop.signal.aborted) return;
        if (isAnswer(error)) return answered();
        reach.failed(messageOf(error));
      }
      await pause(backoffMs(failures, 20_000), stop.signal);
    }
  };

  const askOnce = () => {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
  };

  /** The client has closed what ended: what it had in hand is acked, or was given back when that took too long. */
  const reopen = async (): Promise<void> => {
    isFlushed = true;
    await pause(backoffMs(reopenings++, 20_000), stop.signal);
    if (stop.signal.aborted) return;
    isFlushed = false;
    subscription.open();
    askOnce();
  };

  /** The stream opens with the first `receive`: a source that is never read takes nothing from the broker. */
  const listen = () => {
    if (listening || closing) return;
    listening = true;
    collectEarly();
    subscription.on('error', fail);
    subscription.on('close', reopen);
    subscription.on('debug', askOnce);
    subscription.on('message', onMessage);
    askOnce();
  };

  /** Resolves with the number of those that Pub/Sub refused to take, or has not answered for in time: they may come again. */
  const settle = async (deliveries: readonly Delivery[], how: 'ackWithResponse' | 'nackWithResponse') => {
    const messages = deliveries.flatMap((delivery) => held.get(delivery) ?? []);
    for (const delivery of deliveries) held.delete(delivery);
    let unconfirmed = messages.length;
    const confirmed = (): void => {
      unconfirmed -= 1;
    };
    const answered = new AbortController();
    const answers = messages.map((message) => message[how]().then(confirmed, () => undefined));
    void Promise.all(answers).then(() => answered.abort());
    await pause(options.confirmMsMax ?? 30_000, answered.signal);
    return unconfirmed;
  };

  const giveBack = async (deliveries: readonly Delivery[]): Promise<void> => {
    const keys = new Set(deliveries.map((delivery) => held.get(delivery)?.orderingKey).filter(Boolean));
    const later = keys.size === 0 ? [] : inbox.withdraw((delivery) => keys.has(held.get(delivery)?.orderingKey));
    await settle([...deliveries, ...later], 'nackWithResponse');
  };

  const shutDown = async () => {
    stop.abort();
    reach.end();
    await settle(inbox.close(), 'nackWithResponse');
    if (subscription.isOpen) await subscription.close();
    else if (listening && !isFlushed) await once(subscription, 'close');
    await client.close();
  };

  return {
    name: 'pubsub',
    receive(limits, receiving) {
      listen();
      return reach.receive(() => inbox.take(limits, receiving), receiving);
    },
    async ack(deliveries) {
      const lost = await settle(deliveries, 'ackWithResponse');
      if (lost > 0) throw new RetryableError(`${lost} acks were not confirmed by ${options.subscription}`);
    },
    nack: giveBack,
    close() {
      closing ??= shutDown();
      return closing;
    },
  };
};
