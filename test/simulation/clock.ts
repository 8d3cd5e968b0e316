import type { Clock } from '../../src/apply/clock.ts';
import { isOutside } from './in-hand.ts';

/** Passes of the event loop, with nothing outside of it under way, after which only a turn or a timer can be waited for. */
const quietPasses = 6;

export type VirtualClock = Clock & {
  /** Resolves when everything else waits too and this one is drawn: so a seed decides in which order things happen. */
  readonly turn: (key: string) => Promise<void>;
  readonly stop: () => void;
};

/**
 * A clock whose time stands still while anything is being done or waits for its turn, and jumps to the next timer when
 * everything waits for one. Backoffs and timeouts of minutes cost nothing, and still come in their order. However slow the
 * machine is, the same seed gives the same turns.
 */
export const createVirtualClock = (random: () => number, draw: () => number): VirtualClock => {
  type Timer = { readonly at: number; readonly order: number; readonly wake: () => void };
  type Turn = { readonly key: string; readonly order: number; readonly wake: () => void };
  let now = Date.UTC(2030, 0, 1);
  let timers: Timer[] = [];
  const turns: Turn[] = [];
  let calls = 0;
  let quiet = 0;
  let seen = 0;
  let stopped = false;
  let running = false;

  const wakeTurn = (): void => {
    turns.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.order - b.order));
    turns.splice(Math.floor(draw() * turns.length), 1)[0]?.wake();
  };
  const wakeTimer = (): void => {
    timers.sort((a, b) => a.at - b.at || a.order - b.order);
    const next = timers.shift() as Timer;
    now = Math.max(now, next.at);
    next.wake();
  };
  const pump = (): void => {
    if (stopped) return;
    const outside = isOutside();
    quiet = calls === seen && !outside ? quiet + 1 : 0;
    seen = calls;
    if (quiet >= quietPasses) {
      quiet = 0;
      if (turns.length > 0) wakeTurn();
      else if (timers.length > 0) wakeTimer();
    }
    running = timers.length + turns.length > 0;
    if (running) (outside ? setTimeout : setImmediate)(pump);
  };
  const start = (): void => {
    if (!running) setImmediate(pump);
    running = true;
  };
  return {
    now: () => now,
    random,
    turn: (key) =>
      new Promise((wake) => {
        calls += 1;
        turns.push({ key, order: calls, wake });
        start();
      }),
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
        start();
      }),
    stop: () => {
      stopped = true;
    },
  };
};
