import { join } from 'node:path';
import type { Bucket } from '../bucket/bucket.ts';
import type { CycleOptions, CycleResult } from '../cycle/cycle.ts';
import { runCycles } from '../cycle/cycles.ts';
import { notingFailure } from '../cycle/failed.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { exitCode, FatalError, messageOf, SafetyStop, UnreachableError } from '../errors.ts';
import { exportPlaces, exportSnapshot } from '../snapshot/export.ts';
import { counted } from '../text.ts';
import { consumeInto } from './consuming.ts';
import { bucketOf, type Context, cycleOptions } from './context.ts';
import { listBucket } from './listing.ts';
import { drainedSource } from './needs.ts';
import { openSource } from './sources.ts';
import { summaryOf } from './summary.ts';

/** A subscription that has been silent for this long is drained. */
const drainedAfterMs = 1_500;

export type SyncFlags = {
  readonly full?: boolean;
  readonly dryRun?: boolean;
  readonly drain?: boolean;
  readonly prefix?: string;
  readonly json?: boolean;
};

/**
 * Lists the bucket, appends what is missing, carries every file over, exports the CSV. Resumes where it was stopped.
 * `complete` is false when a signal cut the listing off; a dry run has no cycle.
 */
export const initialSync = async (
  context: Context,
  workspace: Workspace,
  flags: SyncFlags,
): Promise<{ readonly complete: boolean; readonly cycle?: CycleResult }> => {
  const { config, logger } = context;
  const bucket = bucketOf(context);
  const started = new Date();
  const options = { ...cycleOptions(context, workspace, bucket), ...(flags.dryRun && { dryRun: true }) };
  try {
    const scanned = await notingFailure(options, started, () => listBucket(context, workspace, bucket, flags));
    logger.info(scanned, 'bucket listed');
    if (flags.dryRun) {
      context.print(
        flags.json
          ? `${JSON.stringify(scanned)}\n`
          : `${counted(scanned.listed, 'object')} listed: ${scanned.missing} to add, ${scanned.stale} to renew, ${scanned.gone} gone; ${counted(scanned.unrepresentable, 'key cannot be a path', 'keys cannot be paths')}\n`,
      );
      return { complete: scanned.complete };
    }
    const listed = { objects: scanned.listed, complete: scanned.complete };
    const cycle = await carryOver(context, {
      ...options,
      retryUnreadable: true,
      ...(flags.prefix === undefined && { listing: listed }),
    });
    const { checkpoint } = workspace.projector.meta();
    await workspace.projector.database.reading((queries) =>
      exportSnapshot(queries, exportPlaces(join(config.paths.data, 'snapshot.csv')), {
        table: 'file',
        offset: checkpoint,
      }),
    );
    return { complete: scanned.complete, cycle };
  } finally {
    bucket.close();
  }
};

/** All that differs, lot by lot. */
const carryOver = ({ logger }: Context, options: CycleOptions): Promise<CycleResult> =>
  runCycles(options, ({ cycle, status, operations, later }) =>
    logger.info({ cycle, status, operations, later }, 'a part of what differs was carried over, the next one follows'),
  );

/** What became of a subscription: `undrained` says why its end was not reached. */
type Drained = { readonly undrained?: string };

const drain = async (context: Context, workspace: Workspace, bucket: Bucket, flags: SyncFlags): Promise<Drained> => {
  const name = drainedSource(context.config, flags);
  if (name === undefined) return {};
  const source = await openSource(context, name);
  try {
    const consumed = await consumeInto(context, workspace, source, { idleMs: drainedAfterMs, bucket });
    context.logger.info(consumed, 'subscription drained');
    return {};
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    const reason = messageOf(error);
    context.logger.error({ reason }, 'the subscription was not drained');
    return { undrained: reason };
  }
};

/**
 * One cycle: drain the subscription first, then export, diff, plan, gate, apply, report. A broker that is away keeps
 * nothing from being carried over that is known already, as in the daemon.
 */
export const incrementalSync = async (
  context: Context,
  workspace: Workspace,
  flags: SyncFlags,
): Promise<CycleResult & Drained> => {
  const bucket = bucketOf(context);
  const started = new Date();
  const options = { ...cycleOptions(context, workspace, bucket), ...(flags.dryRun && { dryRun: true }) };
  try {
    const drained = await notingFailure(options, started, () => drain(context, workspace, bucket, flags));
    const result = await carryOver(context, { ...options, ...(flags.full && { full: true }) });
    return { ...result, ...drained };
  } finally {
    bucket.close();
  }
};

/** The exit code of a cycle; throws SafetyStop when the gate holds it, FatalError when it does not know all there is. */
export const exitCodeOf = ({ report, plan, stoppedBySettings, undrained }: CycleResult & Drained): number => {
  const notDrained = `the subscription was not drained: ${undrained}`;
  if (report.status === 'held') {
    const held = `the safety gate holds this cycle:\n  ${report.held.join('\n  ')}\nlook at it with 's3-sync plan', carry it out with 's3-sync apply ${plan.id}'`;
    throw new SafetyStop(undrained === undefined ? held : `${held}\n${notDrained}`, plan.id);
  }
  if (undrained !== undefined)
    throw new FatalError(`${notDrained}; what was known without it is carried over, run it again for the rest`);
  if (stoppedBySettings) return exitCode.usage;
  return report.status === 'partial' ? exitCode.failed : exitCode.done;
};

export const runInitialSync = async (context: Context, flags: SyncFlags): Promise<number> => {
  const workspace = await context.openWorkspace();
  try {
    const { complete, cycle } = await initialSync(context, workspace, flags);
    if (cycle) context.print(flags.json ? `${JSON.stringify(cycle.report)}\n` : summaryOf(cycle.report));
    if (!complete) throw new FatalError('stopped before the bucket was listed to its end: run it again, it goes on');
    return cycle ? exitCodeOf(cycle) : exitCode.done;
  } finally {
    await workspace.close();
  }
};

export const runIncrementalSync = async (context: Context, flags: SyncFlags): Promise<number> => {
  const workspace = await context.openWorkspace();
  try {
    const result = await incrementalSync(context, workspace, flags);
    context.print(flags.json ? `${JSON.stringify(result.report)}\n` : summaryOf(result.report));
    if (context.signal.aborted)
      throw new FatalError('stopped before everything was taken in and carried over: run it again');
    return exitCodeOf(result);
  } finally {
    await workspace.close();
  }
};
