import type { Delivery, Source } from '../../src/sources/source.ts';
import type { Chance, Faults } from './chance.ts';
import type { Published } from './producer.ts';

type Waiting = { readonly body: string; after: number };

/**
 * A broker that keeps at-least-once delivery, and not a bit more: late, twice, in any order unless `inOrder`, with lost acks.
 */
export const createSimulatedBroker = (chance: Chance, faults: Faults, inOrder: boolean) => {
  let waiting: Waiting[] = [];
  let polls = 0;
  let number = 0;

  const put = (body: string): void => {
    let after = polls;
    if (!inOrder && faults.strikes('message delayed', 0.1)) after += 1 + chance.below(6);
    else if (!inOrder && faults.strikes('message dropped until redelivery', 0.05)) after += 10;
    waiting.push({ body, after });
    if (faults.strikes('message delivered twice', 0.1)) waiting.push({ body, after: polls + chance.below(4) });
  };

  const takeBack = (messages: readonly Waiting[]): void => {
    if (inOrder) waiting.unshift(...messages);
    else waiting.push(...messages.map((message) => ({ ...message, after: polls + 1 })));
  };

  return {
    publish: (event: Published): void => {
      put(JSON.stringify(event));
      if (faults.strikes('message that is no event', 0.03)) put(`no event ${number++}`);
      if (faults.strikes('id used twice for different facts', 0.02))
        // Long after: of two facts with one id the first that arrives is taken, so this one must be the second.
        waiting.push({ body: JSON.stringify({ ...event, path: `${event.path}-other` }), after: polls + 50 });
    },
    isEmpty: (): boolean => waiting.length === 0,
    /** A subscription of one process. `onAck` may end that process. */
    subscribe: (onAck: () => void): Source => {
      const held = new Map<Delivery, Waiting>();
      return {
        name: 'simulated',
        receive: async ({ messagesMax }, { signal }) => {
          if (signal.aborted) return [];
          polls += 1;
          let ready = waiting.filter(({ after }) => after <= polls);
          if (!inOrder && ready.length > 1 && faults.strikes('messages reordered', 0.3))
            ready = ready.sort(() => chance.random() - 0.5);
          if (ready.length > 1 && faults.strikes('batch partly delivered', 0.2))
            ready = ready.slice(0, ready.length >> 1);
          ready = ready.slice(0, messagesMax);
          waiting = waiting.filter((message) => !ready.includes(message));
          return ready.map((message) => {
            number += 1;
            const delivery: Delivery = {
              deliveryId: `m${number}`,
              message: { body: Buffer.from(message.body), attributes: {} },
            };
            held.set(delivery, message);
            return delivery;
          });
        },
        ack: async (deliveries) => {
          onAck();
          for (const delivery of deliveries) {
            const message = held.get(delivery);
            held.delete(delivery);
            if (message && faults.strikes('ack lost', 0.05)) waiting.push({ ...message, after: polls + 2 });
          }
        },
        nack: async (deliveries) => {
          takeBack(deliveries.flatMap((delivery) => held.get(delivery) ?? []));
          for (const delivery of deliveries) held.delete(delivery);
        },
        // What the process had in hand when it ended comes again.
        close: async () => {
          takeBack([...held.values()]);
          held.clear();
        },
      };
    },
  };
};
