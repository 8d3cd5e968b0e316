import { defer, EMPTY, lastValueFrom, repeat, takeWhile, timer } from 'rxjs';

/**
 * Runs `work` now and then again `intervalMs` after each run has ended, so that runs never overlap. An error in one run
 * goes to `onError` and never ends the schedule. Resolves once the signal is aborted and the run in hand has ended.
 */
export const every = async (
  intervalMs: number,
  work: () => Promise<void>,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> => {
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const run = defer(async () => {
    if (!signal.aborted) await work().catch(onError);
    return !signal.aborted;
  });
  const schedule = run.pipe(
    repeat({ delay: () => (signal.aborted ? EMPTY : Promise.race([aborted, lastValueFrom(timer(intervalMs))])) }),
    takeWhile((goOn) => goOn),
  );
  await lastValueFrom(schedule, { defaultValue: false });
};
