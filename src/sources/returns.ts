import type { Delivery, Source } from './source.ts';

/** Deliveries held back at once; past it the oldest go back early. */
const heldMax = 1_000;

/**
 * Deliveries that nobody can keep just now, held for a while before they go back to their broker. Bounded in number;
 * a crash loses none, since none was acked. A broker that does not take one back delivers it again when its lease ends.
 */
export const createReturns = (source: Pick<Source, 'nack'>, holdMs: number) => {
  const held = new Set<{ readonly deliveries: readonly Delivery[]; readonly timer: NodeJS.Timeout }>();
  const giveBack = (deliveries: readonly Delivery[]): Promise<void> => source.nack(deliveries).catch(() => undefined);
  const count = (): number => [...held].reduce((sum, { deliveries }) => sum + deliveries.length, 0);

  const release = async (entry: { deliveries: readonly Delivery[]; timer: NodeJS.Timeout }): Promise<void> => {
    clearTimeout(entry.timer);
    if (held.delete(entry)) await giveBack(entry.deliveries);
  };

  return {
    add: async (deliveries: readonly Delivery[]): Promise<void> => {
      if (deliveries.length === 0) return;
      const entry = { deliveries, timer: setTimeout(() => void release(entry), holdMs) };
      held.add(entry);
      for (const oldest of held) {
        if (count() <= heldMax) break;
        await release(oldest);
      }
    },
    /** Gives back everything now. */
    flush: async (): Promise<void> => {
      await Promise.all([...held].map(release));
    },
  };
};
