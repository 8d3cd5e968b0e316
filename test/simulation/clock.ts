import type { Clock } from '../../src/apply/clock.ts';

/** Passes of the event loop without a call to the clock after which nothing but a timer can be what is waited for. */
const quietPasses = 25;

/**
 * A clock whose time stands still while anything is being done, and jumps to the next timer when everything waits for one.
 * Backoffs and timeouts of minutes cost nothing, and still come in their order.
 */
export const createVirtualClock = (random: () => number): Clock & { stop(): void } => {
  type Timer = { readonly at: number; readonly order: number; readonly wake: () => void };
  let now = Date.UTC(2030, 0, 1);
  let timers: Timer[] = [];
  let calls = 0;
  let quiet = 0;
  let seen = 0;
  let stopped = false;
  const pump = (): void => {
    if (stopped) return;
    quiet = calls === seen ? quiet + 1 : 0;
    seen = calls;
    if (quiet >= quietPasses && timers.length > 0) {
      quiet = 0;
      timers.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = timers.shift() as Timer;
      now = Math.max(now, next.at);
      next.wake();
    }
    if (timers.length > 0) setImmediate(pump);
    else running = false;
  };
  let running = false;
  return {
    now: () => now,
    random,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        calls += 1;
        if (signal?.aborted) return reject(signal.reason as Error);
        const timer: Timer = { at: now + ms, order: calls, wake: resolve };
        timers.push(timer);
        signal?.addEventListener(
          'abort',
          () => {
            calls += 1;
            timers = timers.filter((other) => other !== timer);
            reject(signal.reason as Error);
          },
          { once: true },
        );
        if (!running) {
          running = true;
          setImmediate(pump);
        }
      }),
    stop: () => {
      stopped = true;
    },
  };
};
