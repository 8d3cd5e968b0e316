/**
 * How many operations may be under way: additive increase, multiplicative decrease. One more after each full round of
 * successes; half as many when the other side says that it has enough; three quarters when its answers get much slower than
 * they were. Attempts that were under way at a decrease do not decrease it again.
 */
export type Concurrency = {
  readonly limit: number;
  /** Call it before an attempt; what it returns hears how the attempt ended. */
  begin(): Attempt;
};

export type Attempt = {
  /** `latencyMs` only of requests that are small enough for it to tell about the other side. */
  succeeded(latencyMs?: number): void;
  overloaded(): void;
};

const startAtMost = 4;
/** So many times slower than usual, and at least so slow, means congestion. */
const slowFactor = 4;
const slowMsMin = 200;
/** Weight of the newest latency in the running mean, and how fast the usual one follows upwards. */
const weight = 0.2;
const drift = 1.02;

export const createConcurrency = (most: number): Concurrency => {
  let limit = Math.min(startAtMost, most);
  let successes = 0;
  let round = 0;
  let usualMs: number | undefined;
  let recentMs = 0;

  const decrease = (begun: number, factor: number): void => {
    if (begun !== round) return;
    round += 1;
    successes = 0;
    limit = Math.max(1, limit * factor);
  };
  const isSlow = (latencyMs: number): boolean => {
    recentMs = usualMs === undefined ? latencyMs : recentMs + weight * (latencyMs - recentMs);
    usualMs = usualMs === undefined ? latencyMs : Math.min(latencyMs, usualMs * drift + 0.1);
    return recentMs > Math.max(slowMsMin, slowFactor * usualMs);
  };

  return {
    get limit() {
      return Math.max(1, Math.floor(limit));
    },
    begin: () => {
      const begun = round;
      return {
        succeeded: (latencyMs) => {
          if (latencyMs !== undefined && isSlow(latencyMs)) {
            decrease(begun, 0.75);
            return;
          }
          successes += 1;
          if (successes < limit) return;
          successes = 0;
          limit = Math.min(most, limit + 1);
        },
        overloaded: () => decrease(begun, 0.5),
      };
    },
  };
};
