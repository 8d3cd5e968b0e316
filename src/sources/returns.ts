import type { Delivery, Source } from './source.ts';

export type ReturnsOptions = {
  /** How long a delivery is held back. */
  readonly holdMs: number;
  /** Deliveries held back at once; past it the oldest go back early. */
  readonly heldMax?: number;
};

/**
 * Deliveries that nobody can keep just now, held for a while before they go back to their broker: each time they go back
 * brings them nearer to its dead letters. A crash loses none, since none was acked. A broker that does not take one back
 * delivers it again when its lease ends.
 */
export const createReturns = (source: Pick<Source, 'nack'>, { holdMs, heldMax = 1_000 }: ReturnsOptions) => {
  const held = new Set<{ readonly deliveries: readonly Delivery[]; readonly timer: NodeJS.Timeout }>();
  const watchers = new Set<() => void>();
  const giveBack = (deliveries: readonly Delivery[]): Promise<void> => source.nack(deliveries).catch(() => undefined);
  const count = (): number => [...held].reduce((sum, { deliveries }) => sum + deliveries.length, 0);

  const release = async (entry: { deliveries: readonly Delivery[]; timer: NodeJS.Timeout }): Promise<void> => {
    clearTimeout(entry.timer);
    if (held.delete(entry)) await giveBack(entry.deliveries);
    for (const look of watchers) look();
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
    /** Resolves when fewer than so many are held, or the signal is aborted. */
    room: (most: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (count() >= most && !signal.aborted) return;
          watchers.delete(look);
          signal.removeEventListener('abort', look);
          resolve();
        };
        watchers.add(look);
        signal.addEventListener('abort', look);
        look();
      }),
    /** Gives back everything now. */
    flush: async (): Promise<void> => {
      await Promise.all([...held].map(release));
    },
  };
};
