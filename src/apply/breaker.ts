/**
 * A circuit breaker: after `failuresMax` retryable failures in a row, with no success between, it opens and the cycle ends
 * early. A file manager that is down is not asked thousands of times; the next cycle starts with the breaker half open:
 * its first operation is the probe.
 */
export type Breaker = { succeeded(): void; failed(): void; readonly open: boolean };

export const createBreaker = (failuresMax: number): Breaker => {
  let inARow = 0;
  return {
    succeeded: () => {
      inARow = 0;
    },
    failed: () => {
      inARow += 1;
    },
    get open() {
      return inARow >= failuresMax;
    },
  };
};

/**
 * How many operations may be under way: one more after each full round of successes, half as many when the file manager
 * says that it has enough (additive increase, multiplicative decrease).
 */
export type Concurrency = { readonly limit: number; succeeded(): void; overloaded(): void };

export const createConcurrency = (most: number): Concurrency => {
  let limit = most;
  let successes = 0;
  return {
    get limit() {
      return Math.max(1, Math.floor(limit));
    },
    succeeded: () => {
      successes += 1;
      if (successes >= limit) {
        successes = 0;
        limit = Math.min(most, limit + 1);
      }
    },
    overloaded: () => {
      successes = 0;
      limit = Math.max(1, limit / 2);
    },
  };
};
