import { join } from 'node:path';
import type { ApplyResult } from '../apply/apply.ts';
import type { BreakerLimits } from '../apply/breaker.ts';
import type { Clock } from '../apply/clock.ts';
import type { PaceLimits } from '../apply/pace.ts';
import type { RetryLimits } from '../apply/retry.ts';
import type { Bucket, BucketIdentity } from '../bucket/bucket.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { failpoint } from '../failpoint.ts';
import type { FileManager } from '../file-manager/file-manager.ts';
import { type GateFacts, type GateLimits, judge, replacedBy, type Verdict } from '../plan/gate.ts';
import type { Change, Plan } from '../plan/operation.ts';
import { isCovered, isStillMeant, lossesOf } from '../plan/release.ts';
import { dropPlan, type Kept, releasedPlans, type StoredPlan, storeOnce, storePlan } from '../plan/store.ts';
import { type Delivered, deliverReports } from '../report/delivery.ts';
import { postReport, type ReportEndpoint } from '../report/outbox.ts';
import { isWorthReporting, type Report } from '../report/report.ts';
import { publishLines } from '../snapshot/publish.ts';
import { type OtherAddress, otherAddress } from './address.ts';
import { askSuperseded } from './ask-again.ts';
import { askPaired } from './ask-paired.ts';
import { applyOptions, carryOut, noteCarried, nothingCarried } from './carry-out.ts';
import { gatherFacts } from './facts.ts';
import { notingFailure } from './failed.ts';
import { dropCutOff, keepNewest, makeCycleFolder } from './folders.ts';
import { type CycleMemory, recall, remember } from './memory.ts';
import { capabilitiesOf, type Planned, planCycle } from './planning.ts';
import { isWhole, publishReport, reportOf } from './reporting.ts';
import { finishUnderWay } from './under-way.ts';
import { prepareWaiting, type UnreadableSchedule, unansweredSchedule } from './unreadable.ts';

export type CycleOptions = {
  readonly workspace: Workspace;
  readonly dataFolder: string;
  readonly fileManager: FileManager;
  /** Remembered with what the mirror says; see address.ts. */
  readonly fileManagerAddress?: string;
  /** Called in each cycle while that is another address than before. */
  readonly onOtherAddress?: (other: OtherAddress) => void;
  readonly bucket: Bucket;
  readonly gate: GateLimits;
  readonly concurrency: number;
  readonly defaultPermissions?: string | undefined;
  readonly reportEndpoints: readonly ReportEndpoint[];
  /** Called for each endpoint that did not take every report. */
  readonly onUndelivered?: (delivered: Delivered) => void;
  readonly cyclesKept: number;
  /** Called for each older cycle's folder that cannot be removed. */
  readonly onFolderLeft?: (error: Error) => void;
  /** Export and compare all rows at once, not only those that changed; the operations are the same. */
  readonly full?: boolean;
  /** Paths that one cycle plans; see lot.ts. */
  readonly lotMost?: number;
  readonly dryRun?: boolean;
  readonly listing?: GateFacts['listing'] | undefined;
  /** Speed, attempts and breaker of the executor; see ApplyOptions. */
  readonly pace?: PaceLimits;
  readonly retry?: Partial<RetryLimits>;
  readonly breaker?: Partial<BreakerLimits>;
  readonly failuresMax?: number;
  readonly clock?: Clock;
  /** When comes up again what could not be read, had changed, or was not answered; `retryUnreadable`: all of it now. */
  readonly unreadable?: UnreadableSchedule;
  readonly superseded?: UnreadableSchedule;
  readonly unanswered?: UnreadableSchedule;
  readonly retryUnreadable?: boolean;
  /** Whether an object's ACL counts where its metadata states no permissions. */
  readonly acl?: boolean;
  /** Whether objects keep permissions in their metadata. */
  readonly metadata?: boolean;
  /** For these schedules alone: this machine's clock, in milliseconds. */
  readonly now?: () => number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (finished: number, planned: number, bytes: number) => void;
};

export type CycleResult = {
  readonly report: Report;
  readonly plan: Plan;
  /** What the plan was made from. */
  readonly changes: readonly Change[];
  readonly verdict: Verdict;
  readonly folder: string;
  /** The report's `stopped` is what only a person can put right, such as a wrong token. */
  readonly stoppedBySettings: boolean;
  /** Objects that the plan leaves out until their next try. */
  readonly waiting: number;
  /** Paths that differ, and are in the plan of a later cycle: there are more than one plans. */
  readonly later: number;
  /** Deletes of what a person has brought back: they wait for a release of their own. */
  readonly withheld?: Kept;
};

/** A dry run is no cycle: it has its folders to itself, leaves no trace in the status, and nobody is told of it. */
const foldersOf = ({ dataFolder, dryRun }: CycleOptions): string => join(dataFolder, dryRun ? 'dry-runs' : 'cycles');

/**
 * One cycle: old.csv from the mirror and new.csv from the file table at one offset, diff, plan, gate, apply, outcomes into
 * the log, report. With nothing to do it asks nothing of the file manager.
 */
export const runCycle = async (options: CycleOptions): Promise<CycleResult> => {
  const started = new Date();
  const cycles = foldersOf(options);
  const cycle = await makeCycleFolder(cycles, started.getTime());
  await dropCutOff(cycles, cycle, options.onFolderLeft);
  const run = async (): Promise<CycleResult> => {
    const result = await carryThrough(options, cycle, started);
    await keepNewest(cycles, options.cyclesKept, options.onFolderLeft);
    return result;
  };
  return notingFailure(options, started, run, cycle);
};

const carryThrough = async (options: CycleOptions, cycle: string, started: Date): Promise<CycleResult> => {
  const { workspace, dryRun = false } = options;
  const { log, projector } = workspace;
  const folder = join(foldersOf(options), cycle);
  const plans = join(options.dataFolder, 'plans');
  failpoint('cycle.begun');
  const memory = await recall(log.database);
  const other = otherAddress(memory, options.fileManagerAddress);
  if (other) options.onOtherAddress?.(other);
  const applying = applyOptions(options);
  await prepareWaiting(projector.database);
  const asking = {
    clock: options.now ?? Date.now,
    schedule: options.unanswered ?? unansweredSchedule,
    now: options.retryUnreadable === true,
  };
  const finished = dryRun
    ? undefined
    : await finishUnderWay(workspace, applying, asking, () => capabilitiesOf(options));
  if (!options.dryRun) await askSuperseded(options);
  const unpaired = !options.dryRun && options.metadata ? await askPaired(options) : new Set<string>();
  const offset = await projector.catchUp();
  const released = await releasedPlans(plans);
  const planned = await planCycle(options, folder, released, offset, unpaired, memory);
  const { plan, changes, waiting, withheld } = planned;
  // Each is judged as a whole: what waits now is not to pass alone later.
  const meant = { ...planned, ...planned.around };
  const operations = join(folder, 'operations.jsonl');
  await publishLines(operations, meant.plan.steps, ({ operation }) => JSON.stringify(operation));

  failpoint('cycle.planned');
  const { facts, identity } = await gatherFacts(plan, memory, options);
  const verdict = judge(plan, { ...facts, replaced: replacedBy(plan, changes) }, options.gate);
  const held = verdict.held && !isCovered(plan, changes, verdict, released);
  const judged: Judged = { verdict, held, released };
  await keepPlans(plans, planned, judged, dryRun);
  // It ended early: the file manager is sick, and nothing new is begun.
  const isBlocked = finished?.result.stopped !== undefined && finished.left > 0;
  const isMeant = !isBlocked && !held && !dryRun && meant.plan.steps.length > 0;
  const carried = isMeant ? await carryOut(plans, meant, applying, options) : nothingCarried;
  const { applied } = carried;
  const before = finished && finished.left > 0 ? finished.result : undefined;
  if (!isBlocked && !dryRun) await dropOver(plans, planned, judged, applied);
  const isNews = held || dryRun || (await noteCarried(planned, carried, options));
  // What a person cut off comes first in the next cycle. What the file manager leaves undone does not: as much as a whole lot
  // would keep all others waiting for ever.
  const isCutOff = isBlocked || applied.stoppedBySettings === true || options.signal?.aborted === true;
  const lotUpTo = isCutOff ? memory.lotUpTo : planned.lot.upTo;
  if (!held && !dryRun) await rememberCycle({ ...memory, lotUpTo }, verdict, identity, options);
  const ended = {
    cycle,
    started,
    offset,
    planned: held ? planned : meant,
    verdict,
    held,
    isBlocked,
    dryRun,
    applied,
    before,
  };
  const report = reportOf(ended, projector);
  await publishReport(folder, report);
  await deliver(report, isNews, options);
  const stoppedBySettings = applied.stoppedBySettings === true || before?.stoppedBySettings === true;
  const { later } = planned.lot;
  return { report, plan, changes, verdict, folder, waiting, later, stoppedBySettings, ...(withheld && { withheld }) };
};

/** What the gate says of a plan, and whether that holds it: what a person has released goes on. */
type Judged = { readonly verdict: Verdict; readonly held: boolean; readonly released: readonly StoredPlan[] };

const isReleased = ({ id }: Plan, { released }: Judged): boolean => released.some((stored) => stored.plan.id === id);

/** Keeps what a person may look at and release. A released plan stays as it was when a person named it. */
const keepPlans = async (
  plans: string,
  { plan, changes, withheld }: Planned,
  judged: Judged,
  dryRun: boolean,
): Promise<void> => {
  const { reasons, circumstances } = judged.verdict;
  if ((judged.held || dryRun) && !isReleased(plan, judged))
    await storePlan(plans, { plan, held: reasons, circumstances, losses: lossesOf(plan, changes) });
  if (withheld) await storeOnce(plans, withheld);
};

/** Drops the plans that are over, and with them their release. */
const dropOver = async (
  plans: string,
  { plan, changes, around, lot }: Planned,
  judged: Judged,
  applied: ApplyResult,
): Promise<void> => {
  const { verdict, held, released } = judged;
  const isOver = (stored: StoredPlan): boolean =>
    !isStillMeant(stored, plan, changes, verdict) || (!held && !around && lot.later === 0 && isWhole(plan, applied));
  for (const stored of released.filter(isOver)) await dropPlan(plans, stored.plan.id);
  if (!held && !isReleased(plan, judged)) await dropPlan(plans, plan.id);
  failpoint('cycle.dropped');
};

/** Remembers what the gate compares the next cycle with. */
const rememberCycle = async (
  memory: CycleMemory,
  verdict: Verdict,
  identity: BucketIdentity | undefined,
  options: CycleOptions,
): Promise<void> => {
  const { workspace } = options;
  const { files, mirrorFiles } = workspace.projector.meta().stats;
  // A broken listing is forgotten once a person has looked: until then only a whole one takes its place.
  const answered = verdict.held || memory.listing?.complete === true;
  await remember(workspace.log.database, {
    files,
    lotUpTo: memory.lotUpTo,
    ...(identity && { bucket: identity }),
    // Another address takes its place only once the file manager there was compared with the mirror.
    ...(mirrorFiles > 0 && { fileManager: memory.fileManager ?? options.fileManagerAddress }),
    ...(answered && { listing: undefined }),
  });
  failpoint('cycle.remembered');
};

/** Posts the report where it is worth telling, and delivers what waits. */
const deliver = async (report: Report, isNews: boolean, options: CycleOptions): Promise<void> => {
  const outbox = join(options.dataFolder, 'outbox');
  if (!options.dryRun && isNews && isWorthReporting(report)) await postReport(outbox, options.reportEndpoints, report);
  failpoint('cycle.reported');
  if (options.dryRun) return;
  for (const delivered of await deliverReports(outbox, options.reportEndpoints))
    if (delivered.problem !== undefined) options.onUndelivered?.(delivered);
};
