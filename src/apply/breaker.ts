import type { Clock } from './clock.ts';

export type BreakerLimits = {
  /** Retryable failures in a row, of whatever operations, that open it. */
  readonly failuresMax: number;
  /** How long it stays open before a probe is let through; doubles with each probe that fails. */
  readonly openMs: number;
  readonly openMsMax: number;
  /** Probes in a row that may fail before it gives up for the rest of the cycle. */
  readonly probesMax: number;
};

export const breakerLimits: BreakerLimits = { failuresMax: 20, openMs: 1_000, openMsMax: 30_000, probesMax: 3 };

/**
 * A circuit breaker. Closed, it lets every attempt through. Open, it lets none through for a while, and then one alone: the
 * probe (half open). A probe that succeeds closes it; after `probesMax` that fail it has given up, and the cycle ends.
 */
export type Breaker = {
  /** Waits while open. Undefined: given up, or `signal` is aborted. Else make the attempt, and then say how it ended. */
  admit(signal: AbortSignal): Promise<Admitted | undefined>;
  readonly gaveUp: boolean;
};

/** One of these is called, once. What began before the breaker opened says nothing about a probe that is under way. */
export type Admitted = {
  succeeded(): void;
  failed(retryAfterMs?: number): void;
  /** The attempt says nothing about the other side (superseded, refused, aborted). */
  released(): void;
};

export const createBreaker = (limits: BreakerLimits, clock: Clock): Breaker => {
  let inARow = 0;
  let openUntil: number | undefined;
  let probe: Admitted | undefined;
  let probesFailed = 0;
  let gaveUp = false;
  let changed = Promise.withResolvers<void>();

  const wake = (): void => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const open = (retryAfterMs: number): void => {
    const openMs = Math.max(limits.openMs * 2 ** probesFailed, retryAfterMs);
    openUntil = clock.now() + Math.min(limits.openMsMax, openMs);
  };
  /** A time further away than it ever stays open was set before the clock was set back. */
  const timeLeft = (): number => {
    const left = (openUntil ?? 0) - clock.now();
    return left > limits.openMsMax ? 0 : Math.max(0, left);
  };
  const untilItMayProbe = async (signal: AbortSignal): Promise<void> => {
    const aborted = Promise.withResolvers<void>();
    const onAbort = (): void => aborted.resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    const woken = new AbortController();
    // Also where none is left by now: nobody else would wake this one.
    const slept = probe ? [] : [clock.sleep(timeLeft(), woken.signal).catch(() => undefined)];
    await Promise.race([changed.promise, aborted.promise, ...slept]);
    woken.abort();
    signal.removeEventListener('abort', onAbort);
  };

  const admitted = (): Admitted => {
    const self: Admitted = {
      succeeded: () => {
        inARow = 0;
        probesFailed = 0;
        probe = undefined;
        openUntil = undefined;
        wake();
      },
      failed: (retryAfterMs = 0) => {
        inARow += 1;
        if (probe === self) {
          probe = undefined;
          probesFailed += 1;
          gaveUp = probesFailed >= limits.probesMax;
          open(retryAfterMs);
        } else if (openUntil === undefined && inARow >= limits.failuresMax) open(retryAfterMs);
        wake();
      },
      released: () => {
        if (probe === self) probe = undefined;
        wake();
      },
    };
    return self;
  };

  return {
    admit: async (signal) => {
      while (!gaveUp && !signal.aborted) {
        if (openUntil === undefined) return admitted();
        if (!probe && timeLeft() === 0) {
          probe = admitted();
          return probe;
        }
        await untilItMayProbe(signal);
      }
      return undefined;
    },
    get gaveUp() {
      return gaveUp;
    },
  };
};
