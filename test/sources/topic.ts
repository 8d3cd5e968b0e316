import { createPubSubPublisher, ensurePubSub } from '../../src/sources/pubsub-publisher.ts';
import { startBrokerProxy } from '../support/broker-proxy.ts';
import type { PubsubEmulator } from '../support/pubsub-emulator.ts';
import { uniqueName } from '../support/servers.ts';
import type { Wire } from './conformance.ts';
import { startDoor } from './door.ts';

const project = 'test';

export type Topic = { readonly project: string; readonly topic: string; readonly subscription: string };

export type TopicOptions = Omit<Parameters<typeof ensurePubSub>[0], keyof Topic | 'emulatorHost'>;

/** Leases of ten seconds, the shortest that Pub/Sub knows. */
const leased = { ackDeadlineSeconds: 10 } as const;

export const makeTopic = async (server: PubsubEmulator, options: TopicOptions = {}): Promise<Topic> => {
  const names = { project, topic: uniqueName('topic'), subscription: uniqueName('subscription') };
  await ensurePubSub({ ...names, emulatorHost: server.host, ...leased, ...options });
  return names;
};

export const publishTo = async (
  server: PubsubEmulator,
  topic: string,
  bodies: readonly string[],
  orderingKeyOf?: (body: string) => string,
): Promise<void> => {
  const publisher = createPubSubPublisher({ project, topic, emulatorHost: server.host });
  await publisher.publish(
    bodies.map((body) => ({
      body: Buffer.from(body),
      attributes: {},
      ...(orderingKeyOf && { orderingKey: orderingKeyOf(body) }),
    })),
  );
  await publisher.close();
};

/** A source of one process, as several subscriptions may feed it. The emulator pushes little of one at a time. */
const pushTopics = 4;

/**
 * A fresh topic and its subscription, pulled through a proxy that cancels the streams of killed clients, or four of them
 * that push to one address of ours. `restarted` gives the emulator that is there after a restart: it has forgotten
 * everything, and gets it again.
 */
export const topicWire = async (
  server: PubsubEmulator,
  how: 'pull' | 'push',
  restarted: () => Promise<PubsubEmulator>,
): Promise<Wire> => {
  const door = how === 'push' ? await startDoor() : undefined;
  const push = door ? { pushEndpoint: `http://127.0.0.1:${door.port}/push` } : {};
  const count = how === 'push' ? pushTopics : 1;
  const topics = await Promise.all(Array.from({ length: count }, () => makeTopic(server, push)));
  const proxy = await startBrokerProxy(Number(new URL(server.url).port));
  const sent: string[] = [];
  let current = server;
  const publish = async (bodies: readonly string[]): Promise<void> => {
    for (const [n, { topic }] of topics.entries())
      await publishTo(
        current,
        topic,
        bodies.filter((_, at) => at % count === n),
      );
  };
  return {
    spec: door
      ? { kind: 'http', portFile: door.portFile, push: 'unauthenticated' }
      : { kind: 'pubsub', ...(topics[0] as Topic), emulatorHost: `127.0.0.1:${proxy.port}` },
    send: async (bodies) => {
      sent.push(...bodies);
      await publish(bodies);
    },
    restart: async () => {
      proxy.cut();
      current = await restarted();
      for (const names of topics) await ensurePubSub({ ...names, emulatorHost: current.host, ...leased, ...push });
      await publish(sent);
      proxy.restore(Number(new URL(current.url).port));
    },
    close: async () => {
      await proxy.stop();
      await door?.stop();
    },
  };
};
