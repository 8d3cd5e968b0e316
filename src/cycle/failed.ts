import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApplyResult } from '../apply/apply.ts';
import { messageOf } from '../errors.ts';
import type { Report } from '../report/report.ts';
import { cyclesIn, isDamaged, readReport } from '../report/stored.ts';
import type { CycleOptions } from './cycle.ts';
import { keepNewest, makeCycleFolder } from './folders.ts';
import { publishReport, timesOf } from './reporting.ts';

export const nothingApplied: ApplyResult = {
  done: {},
  states: { done: 0, superseded: 0, unreadable: 0, failed: 0, skipped: 0, 'not attempted': 0 },
  bytes: 0,
  retries: 0,
  failures: [],
};

/** The report in a cycle's folder; undefined where there is none, or one that tells nothing. */
const storedReportOf = async (folder: string): Promise<Report | undefined> => {
  const stored = await readReport(folder);
  return stored && !isDamaged(stored) ? stored : undefined;
};

/** Of failures in a row the last one is kept: they must not push out what was held or carried out before them. */
const dropFailedBefore = async (cycles: string, name: string): Promise<void> => {
  const before = (await cyclesIn(cycles)).findLast((other) => other < name);
  if (before === undefined || (await storedReportOf(join(cycles, before)))?.status !== 'failed') return;
  await rm(join(cycles, before), { recursive: true, force: true });
};

/**
 * Leaves a report of a cycle that failed as a whole where the status looks for it. `cycle` names its folder; without it the
 * cycle ended before it had one. One that was stopped did not fail. What goes wrong here is let be: the error that the cycle
 * ended with is the one to tell of.
 */
export const noteFailed = async (
  {
    workspace,
    dataFolder,
    cyclesKept,
    signal,
  }: Pick<CycleOptions, 'workspace' | 'dataFolder' | 'cyclesKept' | 'signal'>,
  error: unknown,
  started: Date,
  cycle?: string,
): Promise<void> => {
  if (signal?.aborted) return;
  try {
    const cycles = join(dataFolder, 'cycles');
    // What failed after the cycle's own report was written is no part of it.
    if (cycle !== undefined && (await storedReportOf(join(cycles, cycle))) !== undefined) return;
    const name = cycle ?? (await makeCycleFolder(cycles, started.getTime()));
    const { checkpoint, stats } = workspace.projector.meta();
    const { done, states, bytes, retries, failures } = nothingApplied;
    const report: Report = {
      format: 1,
      cycle: name,
      status: 'failed',
      ...timesOf(started),
      offset: checkpoint,
      plan: null,
      planned: {},
      operations: done,
      states,
      bytes,
      retries,
      failures,
      unplaceable: [],
      held: [],
      stopped: messageOf(error),
      records: { files: stats.files, mirror: stats.mirrorFiles },
    };
    await publishReport(join(cycles, name), report);
    await dropFailedBefore(cycles, name);
    await keepNewest(cycles, Math.max(cyclesKept, 2));
  } catch {
    // See above.
  }
};

/** Notes that `work`, which belongs to a cycle, failed, and throws what it threw. A dry run leaves no trace. */
export const notingFailure = async <T>(
  options: Parameters<typeof noteFailed>[0] & Pick<CycleOptions, 'dryRun'>,
  started: Date,
  work: () => Promise<T>,
  cycle?: string,
): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (!options.dryRun) await noteFailed(options, error, started, cycle);
    throw error;
  }
};
