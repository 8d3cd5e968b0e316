import type { Clock } from './clock.ts';

/** Limits a rate: `take(n)` resolves once `n` more fit, in the order of the calls. A call larger than a burst waits longer. */
export type TokenBucket = { take(count: number, signal?: AbortSignal): Promise<void> };

/** `perSecond` tokens come in a second; as many may be taken at once after a pause. */
export const createTokenBucket = (perSecond: number, clock: Clock): TokenBucket => {
  let tokens = perSecond;
  let at = clock.now();
  return {
    take: async (count, signal) => {
      const now = clock.now();
      // A clock that is set back gives nothing; what was owed until then has been waited for.
      tokens = now < at ? Math.max(0, tokens) : Math.min(perSecond, tokens + ((now - at) / 1_000) * perSecond);
      at = now;
      tokens -= count;
      if (tokens < 0) await clock.sleep((-tokens / perSecond) * 1_000, signal);
    },
  };
};
