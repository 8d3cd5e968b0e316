import type { Topic } from '@google-cloud/pubsub';
import type { Message } from '../../events/message.ts';
import { codeOf, connectPubSub, type PubSubConnection } from './pubsub-client.ts';

/** gRPC status. */
const alreadyExists = 6;

export type PubSubPublisher = {
  /** Resolves when the broker has stored all of them. Messages of one ordering key keep their order. */
  publish(messages: readonly (Message & { readonly orderingKey?: string })[]): Promise<void>;
  close(): Promise<void>;
};

export const createPubSubPublisher = (options: PubSubConnection & { readonly topic: string }): PubSubPublisher => {
  const client = connectPubSub(options);
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
    /** Where a message goes that came back this often (5 to 100 times). The topic is made where it is missing. */
    readonly deadLetter?: { readonly topic: string; readonly attemptsMax: number };
    /** Makes it a push subscription to this address. */
    readonly pushEndpoint?: string;
  },
): Promise<void> => {
  const client = connectPubSub(options);
  const unlessThere = (error: unknown) => {
    if (codeOf(error) !== alreadyExists) throw error;
  };
  try {
    const { deadLetter, pushEndpoint } = options;
    for (const topic of [options.topic, ...(deadLetter ? [deadLetter.topic] : [])])
      await client.createTopic(topic).catch(unlessThere);
    await client
      .createSubscription(options.topic, options.subscription, {
        enableMessageOrdering: options.ordered ?? false,
        enableExactlyOnceDelivery: options.exactlyOnce ?? false,
        ackDeadlineSeconds: options.ackDeadlineSeconds ?? 60,
        ...(pushEndpoint !== undefined && { pushEndpoint }),
        ...(deadLetter && {
          deadLetterPolicy: {
            deadLetterTopic: `projects/${options.project}/topics/${deadLetter.topic}`,
            maxDeliveryAttempts: deadLetter.attemptsMax,
          },
        }),
      })
      .catch(unlessThere);
  } finally {
    await client.close();
  }
};
