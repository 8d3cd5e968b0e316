/** Exponential backoff with full jitter: anything between 0 and the cap of the next attempt, in milliseconds. */
export const backoffMs = (failures: number, capMs: number, random: () => number = Math.random): number =>
  Math.round(random() * Math.min(capMs, 200 * 2 ** Math.min(failures, 20)));

/** Waits, and resolves early when the signal is aborted. Leaves no timer behind. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
