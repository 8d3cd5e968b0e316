import type { Report } from '../report/report.ts';
import { type CycleOptions, type CycleResult, runCycle } from './cycle.ts';
import { lotMost } from './lot.ts';
import { joined } from './reporting.ts';

const goesOn = ({ later, report }: CycleResult, { dryRun, signal }: CycleOptions): boolean =>
  later > 0 && !dryRun && !signal?.aborted && report.stopped === null && /^(idle|done|partial)$/.test(report.status);

/**
 * Cycles, one after the other, until each lot of what differs had its turn, or one does not go on; `onLot` takes the report of
 * each that is not the last. The result is that of the last one, and its report tells of them all.
 */
export const runCycles = async (options: CycleOptions, onLot: (report: Report) => void): Promise<CycleResult> => {
  let result = await runCycle(options);
  let report = result.report;
  // One more than there are lots left: the first may have begun in the middle of one.
  for (let lots = Math.ceil(result.later / (options.lotMost ?? lotMost)) + 1; lots > 0; lots -= 1) {
    if (!goesOn(result, options)) break;
    onLot(result.report);
    result = await runCycle(options);
    report = joined(report, result.report);
  }
  // The lots that there were may be whole: what a stop cut off are the others.
  const isCutOff = options.signal?.aborted === true && result.later > 0 && report.status === 'done';
  return { ...result, report: isCutOff ? { ...report, status: 'partial' } : report };
};
