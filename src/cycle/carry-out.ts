import { type ApplyOptions, type ApplyResult, applyPlan } from '../apply/apply.ts';
import { failpoint } from '../failpoint.ts';
import type { Step } from '../plan/operation.ts';
import { keepUndo } from '../plan/undo.ts';
import type { CycleOptions } from './cycle.ts';
import { nothingApplied } from './failed.ts';
import type { Planned } from './planning.ts';
import { createUnderWay, forgetUnderWay, noteMissing } from './under-way.ts';
import {
  atOnce,
  type Failed,
  noteFailed,
  noteTries,
  noteWaiting,
  supersededSchedule,
  timesFailedOf,
  unreadableSchedule,
} from './unreadable.ts';

/** What came of the steps of a plan; those that wait for another try with the reason. */
export type Carried = {
  readonly applied: ApplyResult;
  readonly unreadable: readonly Failed[];
  readonly superseded: readonly Failed[];
  readonly failed: readonly Failed[];
  /** Of those, the ones that got no answer. */
  readonly silent: readonly Failed[];
};

export const nothingCarried: Carried = {
  applied: nothingApplied,
  unreadable: [],
  superseded: [],
  failed: [],
  silent: [],
};

/** Keeps what the plan deletes for an undo, applies the plan, and folds its outcomes. */
export const carryOut = async (
  plans: string,
  { plan, changes, capabilities, silentAt }: Planned,
  applying: ApplyOptions,
  options: CycleOptions,
): Promise<Carried> => {
  const { log, projector } = options.workspace;
  const unreadable: Failed[] = [];
  const superseded: Failed[] = [];
  const failed: Failed[] = [];
  const silent: Failed[] = [];
  const missing: Step[] = [];
  const ended: string[] = [];
  await keepUndo(plans, plan, changes);
  const applied = await applyPlan(plan, {
    ...applying,
    silentAt,
    folderPermissions: capabilities.includes('folder-permissions'),
    savePermissions: capabilities.includes('save-permissions'),
    onBegin: createUnderWay(log.database).begin,
    onEnded: ({ operation }) => ended.push(operation.op_id),
    onUnreadable: (step, reason) => unreadable.push({ step, reason }),
    onSuperseded: (step, reason) => superseded.push({ step, reason }),
    onFailed: (step, reason) => failed.push({ step, reason }),
    onSilent: (step, reason) => silent.push({ step, reason }),
    onMissing: (step) => missing.push(step),
    timesFailed: await timesFailedOf(projector.database),
    onProgress: (settled, bytes) => options.onProgress?.(settled, plan.steps.length, bytes),
  });
  failpoint('cycle.applied');
  await forgetUnderWay(log.database, ended);
  failpoint('cycle.forgotten');
  await noteMissing(options.workspace, missing);
  await projector.catchUp();
  failpoint('cycle.folded');
  return { applied, unreadable, superseded, failed, silent };
};

/** Notes what waits for another try. Resolves with whether anything happened that was not told before. */
export const noteCarried = async (
  planned: Planned,
  { applied, unreadable, superseded, failed, silent }: Carried,
  options: CycleOptions,
): Promise<boolean> => {
  const now = options.now?.() ?? Date.now();
  const { database } = options.workspace.projector;
  const { steps } = (planned.around ?? planned).plan;
  await noteFailed(database, steps, failed, now);
  await noteTries(database, 'unanswered', silent, now, atOnce);
  await noteWaiting(database, 'unreadable', unreadable, now, options.unreadable ?? unreadableSchedule);
  const fresh = await noteWaiting(database, 'superseded', superseded, now, options.superseded ?? supersededSchedule);
  // An object whose event is late is told of once, however often it is tried.
  return fresh > 0 || superseded.length === 0 || superseded.length + applied.states.skipped < steps.length;
};

export const applyOptions = ({ workspace, ...options }: CycleOptions): ApplyOptions => ({
  fileManager: options.fileManager,
  bucket: options.bucket,
  defaultPermissions: options.defaultPermissions,
  concurrency: options.concurrency,
  pace: options.pace,
  retry: options.retry,
  breaker: options.breaker,
  failuresMax: options.failuresMax,
  ...(options.clock && { clock: options.clock }),
  ...(options.signal && { signal: options.signal }),
  onOutcomes: async (outcomes) => {
    failpoint('outcomes.before');
    await workspace.log.append(outcomes);
    failpoint('outcomes.after');
  },
  onRenewed: createUnderWay(workspace.log.database).begin,
});
