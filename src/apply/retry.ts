import { RetryableError } from '../errors.ts';

/** Time and chance, so that tests decide both. `sleep` rejects when the signal is aborted. */
export type Clock = {
  readonly now: () => number;
  readonly random: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
};

export type RetryLimits = {
  readonly attemptsMax: number;
  /** First backoff; doubles with each attempt. */
  readonly baseMs: number;
  /** Longest wait between two attempts, whatever Retry-After asks for. */
  readonly waitMsMax: number;
};

export const retryLimits: RetryLimits = { attemptsMax: 5, baseMs: 200, waitMsMax: 30_000 };

/** How long to wait before attempt `attempt + 1`: exponential with full jitter, or as the other side asked, capped. */
export const backoff = (
  attempt: number,
  retryAfterMs: number | undefined,
  limits: RetryLimits,
  random: () => number,
): number =>
  retryAfterMs === undefined
    ? random() * Math.min(limits.waitMsMax, limits.baseMs * 2 ** attempt)
    : Math.min(limits.waitMsMax, retryAfterMs);

/** Repeats `attempt` while it throws RetryableError; the last error is thrown on. */
export const withRetries = async <T>(
  attempt: () => Promise<T>,
  clock: Clock,
  limits: RetryLimits,
  options: { signal?: AbortSignal; onRetry?: (error: RetryableError) => void } = {},
): Promise<T> => {
  for (let failed = 0; ; failed++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof RetryableError) || failed + 1 >= limits.attemptsMax || options.signal?.aborted)
        throw error;
      options.onRetry?.(error);
      await clock.sleep(backoff(failed, error.retryAfterMs, limits, clock.random), options.signal);
    }
  }
};
