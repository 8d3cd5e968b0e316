import { setTimeout as sleepFor } from 'node:timers/promises';
import { followingSignals } from '../follow-signals.ts';

/** Time and chance, so that tests decide both. Milliseconds; `sleep` rejects when its signal is aborted. */
export type Clock = {
  readonly now: () => number;
  readonly random: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
};

/** What a timer of the runtime takes, some 24 days: one that is given more ends at once. */
const timerMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: Date.now,
  random: Math.random,
  sleep: async (ms, signal) => {
    let left = ms;
    do {
      await sleepFor(Math.min(left, timerMsMax), undefined, signal ? { signal } : {});
      left -= timerMsMax;
    } while (left > 0);
  },
};

/** Runs `work` with a signal that is aborted, with `reason`, after `ms`; then its error is `reason`. */
export const withTimeout = async <T>(
  ms: number,
  reason: () => Error,
  clock: Clock,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const late = new AbortController();
  const finished = new AbortController();
  clock.sleep(ms, finished.signal).then(
    () => late.abort(reason()),
    () => undefined,
  );
  try {
    return await followingSignals([outer, late.signal], work);
  } catch (error) {
    throw late.signal.aborted && !outer.aborted ? late.signal.reason : error;
  } finally {
    finished.abort();
  }
};
