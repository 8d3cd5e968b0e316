import type { Logger } from '../logger.ts';

const lineEveryMs = 200;
const logEveryMs = 10_000;

const duration = (seconds: number): string =>
  seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;

/** A terminal has one line that is being renewed. */
let lineIsOpen = false;

/** Ends the line that progress is shown on, where one is open: what follows begins a line of its own. */
export const endProgressLine = (): void => {
  if (!lineIsOpen) return;
  lineIsOpen = false;
  process.stderr.write('\n');
};

/**
 * Progress of long work: one line that renews itself with rate and time left when standard error is a terminal, otherwise
 * a log line now and then.
 */
export const createProgress = (
  logger: Logger,
  doing: string,
  unit: string,
): ((finished: number, total?: number) => void) => {
  const started = Date.now();
  let shownAt = started;
  return (finished, total) => {
    const now = Date.now();
    const ended = finished === total;
    if (
      now - shownAt < (process.stderr.isTTY ? lineEveryMs : logEveryMs) &&
      !(ended && process.stderr.isTTY && shownAt > started)
    )
      return;
    shownAt = now;
    const rate = finished / Math.max(0.001, (now - started) / 1000);
    if (!process.stderr.isTTY) {
      logger.info({ finished, total, ratePerSecond: Math.round(rate) }, doing);
      return;
    }
    const left = total === undefined || ended ? '' : `, ${duration((total - finished) / Math.max(rate, 0.001))} left`;
    const of = total === undefined ? '' : ` of ${total}`;
    process.stderr.write(`\r\x1b[K${doing}: ${finished}${of} ${unit}, ${Math.round(rate)}/s${left}`);
    lineIsOpen = true;
    if (ended) endProgressLine();
  };
};
