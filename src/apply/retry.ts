import { RetryableError } from '../errors.ts';
import { NoSpaceError } from '../file-manager/client-errors.ts';
import type { Breaker } from './breaker.ts';
import { type Clock, withTimeout } from './clock.ts';

export type RetryLimits = {
  readonly attemptsMax: number;
  /** First backoff; doubles with each attempt. */
  readonly baseMs: number;
  /** Longest wait between two attempts, whatever Retry-After asks for. */
  readonly waitMsMax: number;
  /** Longest attempt, and longest time for all of them, beside what `allowanceMs` grants for the bytes. */
  readonly attemptMsMax: number;
  readonly totalMsMax: number;
  /** An attempt that took longer is not repeated: the next one would most likely be waited for as long. */
  readonly repeatedMsMax: number;
};

export const retryLimits: RetryLimits = {
  attemptsMax: 5,
  baseMs: 200,
  waitMsMax: 30_000,
  attemptMsMax: 120_000,
  totalMsMax: 900_000,
  repeatedMsMax: Number.POSITIVE_INFINITY,
};

/** Where an answer may not come at all. */
export const doubtfulLimits = { repeatedMsMax: 10_000 } satisfies Partial<RetryLimits>;

/** How long to wait after the failure number `failed` (0 is the first): exponential with full jitter, or as asked, capped. */
export const backoff = (
  failed: number,
  retryAfterMs: number | undefined,
  limits: Pick<RetryLimits, 'baseMs' | 'waitMsMax'>,
  random: () => number,
): number =>
  retryAfterMs === undefined
    ? random() * Math.min(limits.waitMsMax, limits.baseMs * 2 ** failed)
    : Math.min(limits.waitMsMax, retryAfterMs);

/** No attempt was made: the cycle ends. It says nothing about the operation. */
export class NotAttempted extends Error {
  override readonly name = 'NotAttempted';
}

export type RetryContext = {
  readonly clock: Clock;
  readonly limits: RetryLimits;
  readonly breaker: Breaker;
  /** Granted to each attempt on top of `attemptMsMax`, and twice to all of them: the time that its bytes need. */
  readonly allowanceMs: number;
  /** What an attempt ends with whose time is up; it may depend on what is waited for by then. */
  readonly lateError?: (text: string) => RetryableError;
  /** Once aborted, no attempt starts; one under way goes on. */
  readonly stopping: AbortSignal;
  /** Aborts the attempt itself. */
  readonly aborting: AbortSignal;
  readonly onRetry: (error: RetryableError) => void;
  /** Called before each attempt; what it returns hears how the attempt ended. */
  readonly onAttempt: () => (error?: unknown) => void;
};

/**
 * Repeats `attempt` while it throws RetryableError other than NoSpaceError, within the limits on number and time, each admitted by the breaker. The
 * last error is thrown on; NotAttempted when there was no first attempt.
 */
export const withRetries = async <T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  context: RetryContext,
): Promise<T> => {
  const { clock, limits, breaker, allowanceMs, stopping } = context;
  const lateError = context.lateError ?? ((text: string) => new RetryableError(text));
  const attemptMs = limits.attemptMsMax + allowanceMs;
  const deadline = clock.now() + limits.totalMsMax + 2 * allowanceMs;
  let last: RetryableError | undefined;
  for (let failed = 0; ; failed++) {
    const admitted = await breaker.admit(stopping);
    if (!admitted) throw last ?? new NotAttempted('the cycle ends before it was attempted');
    const ended = context.onAttempt();
    const begun = clock.now();
    try {
      const timeLeft = Math.max(0, Math.min(attemptMs, deadline - clock.now()));
      const reason = (): Error => lateError(`it was not finished within ${Math.round(timeLeft)} ms`);
      const result = await withTimeout(timeLeft, reason, clock, context.aborting, attempt);
      admitted.succeeded();
      ended();
      return result;
    } catch (error) {
      ended(error);
      // A moment later there is no more space, and the file manager is well: the order of the steps is what helps.
      if (!(error instanceof RetryableError) || error instanceof NoSpaceError) {
        admitted.released();
        throw error;
      }
      admitted.failed(error.retryAfterMs);
      last = error;
      const wait = backoff(failed, error.retryAfterMs, limits, clock.random);
      const isLast = failed + 1 >= limits.attemptsMax || clock.now() - begun > limits.repeatedMsMax;
      if (isLast || stopping.aborted || clock.now() + wait >= deadline) throw error;
      context.onRetry(error);
      await clock.sleep(wait, stopping).catch(() => undefined);
    }
  }
};
