import { createPubSubPublisher, ensurePubSub } from '../../src/sources/pubsub-publisher.ts';
import type { NativeEvent } from './bucket.ts';
import type { Counts, Random } from './random.ts';

const topic = 'bucket-events';
const subscription = 'file-manager-sync';
const delayMsMax = 4_000;

/** Publishes events to Pub/Sub as a careless producer does: some late and so out of order, some twice, some that are none. */
export const createProducer = async (options: {
  readonly emulatorHost: string;
  readonly random: Random;
  readonly counts: Counts;
}) => {
  const { emulatorHost, random, counts } = options;
  const names = { project: 'soak', emulatorHost, topic };
  await ensurePubSub({ ...names, subscription, ackDeadlineSeconds: 10 });
  const publisher = createPubSubPublisher(names);
  const ids = new Set<string>();
  const underWay = new Set<Promise<void>>();
  let garbage = 0;
  let failure: unknown;

  const publish = async (body: string, delayMs: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await publisher.publish([{ body: Buffer.from(body), attributes: {} }]);
  };
  const send = (body: string, delayMs = 0): void => {
    const sending = publish(body, delayMs)
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => underWay.delete(sending));
    underWay.add(sending);
  };

  return {
    environment: { PUBSUB_PROJECT: names.project, PUBSUB_TOPIC: topic, PUBSUB_SUBSCRIPTION: subscription },
    ids: ids as ReadonlySet<string>,
    garbage: () => garbage,
    publish: (event: NativeEvent): void => {
      ids.add(event.id);
      const body = JSON.stringify(event);
      const late = random.chance(0.15);
      if (late) counts.add('event late');
      send(body, late ? random.below(delayMsMax) : 0);
      if (random.chance(0.1)) {
        counts.add('event twice');
        send(body, random.below(delayMsMax));
      }
      if (random.chance(0.01)) {
        counts.add('message no event');
        garbage += 1;
        send(`{"no event": ${garbage}`);
      }
    },
    /** Resolves when the broker has stored everything. Throws when it did not take something. */
    flush: async (): Promise<void> => {
      while (underWay.size > 0) await Promise.all(underWay);
      if (failure !== undefined) throw failure;
    },
    close: () => publisher.close(),
  };
};

export type Producer = Awaited<ReturnType<typeof createProducer>>;
