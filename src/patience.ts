import { type Clock, systemClock } from './apply/clock.ts';
import { backoff, type RetryLimits, retryLimits } from './apply/retry.ts';
import { RetryableError } from './errors.ts';

/** Asks until there is an answer, or an error that asking again does not mend, or patience is over. */
export type Patience = <T>(ask: () => Promise<T>) => Promise<T>;

export type PatienceOptions = {
  /** Ends the wait for the next try at once; `ask` has to follow it by itself. */
  readonly signal: AbortSignal;
  readonly onRetry: (error: RetryableError, waitMs: number) => void;
  readonly clock?: Clock;
  readonly limits?: Pick<RetryLimits, 'attemptsMax' | 'baseMs' | 'waitMsMax' | 'totalMsMax'>;
};

export const patienceLimits = { ...retryLimits, totalMsMax: 120_000 };

/**
 * Asks again while the error is a RetryableError, after exponential backoff with full jitter, and no sooner than Retry-After
 * says. Whoever has answered before is waited for until the time is up. Whoever never has may not be there at all, and is
 * asked `attemptsMax` times. The last error is thrown on.
 */
export const createPatience = ({
  signal,
  onRetry,
  clock = systemClock,
  limits = patienceLimits,
}: PatienceOptions): Patience => {
  let hasAnswered = false;
  return async (ask) => {
    const deadline = clock.now() + limits.totalMsMax;
    for (let failed = 0; ; failed++) {
      try {
        const answer = await ask();
        hasAnswered = true;
        return answer;
      } catch (error) {
        if (!(error instanceof RetryableError) || signal.aborted) throw error;
        const asked = Math.min(limits.waitMsMax, error.retryAfterMs ?? 0);
        const waitMs = Math.max(asked, backoff(failed, undefined, limits, clock.random));
        if (clock.now() + waitMs >= deadline || (!hasAnswered && failed + 1 >= limits.attemptsMax)) throw error;
        onRetry(error, Math.round(waitMs));
        await clock.sleep(waitMs, signal);
      }
    }
  };
};
