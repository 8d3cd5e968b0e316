import { defer, fromEvent, lastValueFrom, repeat, takeUntil, takeWhile, timer } from 'rxjs';

/**
 * Runs `work` now and then again `intervalMs` after each run has ended, so that runs never overlap. An error in one run
 * goes to `onError` and never ends the schedule. Resolves once the signal is aborted and the run in hand has ended; no
 * timer is left behind that would keep the process alive.
 */
export const every = async (
  intervalMs: number,
  work: () => Promise<void>,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> => {
  const run = defer(async () => {
    if (!signal.aborted) await work().catch(onError);
    return !signal.aborted;
  });
  const pause = () => timer(signal.aborted ? 0 : intervalMs).pipe(takeUntil(fromEvent(signal, 'abort')));
  await lastValueFrom(
    run.pipe(
      repeat({ delay: pause }),
      takeWhile((goOn) => goOn),
    ),
    { defaultValue: false },
  );
};
