import { join } from 'node:path';
import type { OperationKind } from '../../events/event.ts';
import type { ApplyResult } from '../apply/apply.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import type { Verdict } from '../plan/gate.ts';
import type { Plan } from '../plan/operation.ts';
import type { Report } from '../report/report.ts';
import { publishFile } from '../snapshot/publish.ts';
import type { Planned } from './planning.ts';

/** What a cycle came to. */
export type Ended = {
  readonly cycle: string;
  readonly started: Date;
  /** Offset of the log that both CSVs show. */
  readonly offset: number;
  readonly planned: Planned;
  readonly verdict: Verdict;
  readonly held: boolean;
  /** The file manager was too sick to finish what was under way: nothing of the plan was begun. */
  readonly isBlocked: boolean;
  readonly dryRun: boolean;
  readonly applied: ApplyResult;
  /** What came of what was under way, where some of it still is. */
  readonly before: ApplyResult | undefined;
};

/** The report of a cycle that ends now; its records are those of the projections as they stand. */
export const reportOf = (ended: Ended, projector: Workspace['projector']): Report => {
  const { cycle, started, offset, planned, verdict, isBlocked } = ended;
  const applied = ended.before ? together(ended.before, ended.applied) : ended.applied;
  const { plan, withheld } = planned;
  const { files, mirrorFiles } = projector.meta().stats;
  return {
    format: 1,
    cycle,
    status: statusOf(ended),
    ...timesOf(started),
    offset,
    plan: isBlocked || plan.steps.length === 0 ? null : plan.id,
    planned: countKinds(plan),
    operations: applied.done,
    states: applied.states,
    bytes: applied.bytes,
    retries: applied.retries,
    unverified: applied.unverified ?? 0,
    failures: applied.failures,
    unplaceable: plan.unplaceable,
    held: verdict.reasons,
    withheld: withheld ? { plan: withheld.plan.id, files: withheld.plan.steps.length } : null,
    stopped: applied.stopped ?? null,
    ...(planned.lot.later > 0 && { later: planned.lot.later }),
    records: { files, mirror: mirrorFiles },
  };
};

/** What the results of two plans and the reports of two cycles have in common. */
type Counted<States> = Pick<ApplyResult, 'bytes' | 'retries' | 'unverified' | 'failures'> & { readonly states: States };

const counts = <States extends Partial<Record<string, number>>>(first: Counted<States>, second: Counted<States>) => ({
  states: sums(first.states, second.states),
  bytes: first.bytes + second.bytes,
  retries: first.retries + second.retries,
  unverified: (first.unverified ?? 0) + (second.unverified ?? 0),
  failures: [...first.failures, ...second.failures],
});

/** What two plans came to, one after the other. */
export const together = (first: ApplyResult, second: ApplyResult): ApplyResult => ({
  ...first,
  ...second,
  ...counts(first, second),
  done: sums(first.done, second.done),
});

const sums = <T extends Partial<Record<string, number>>>(first: T, second: T): T => {
  const all: Partial<Record<string, number>> = { ...first };
  for (const [name, count = 0] of Object.entries(second)) all[name] = (all[name] ?? 0) + count;
  return all as T;
};

const ends: readonly Report['status'][] = ['idle', 'done', 'partial'];

/** How two cycles ended together; whatever else the second came to is of both. */
const endOf = (first: Report['status'], second: Report['status']): Report['status'] =>
  ends.includes(second) && ends.indexOf(first) > ends.indexOf(second) ? first : second;

const deletes = ({ operations }: Report): boolean => (operations.delete ?? 0) > 0;

/**
 * The report of two cycles, one after the other: where the first was not whole, both are not. Of two plans it names the one
 * that an undo is for.
 */
export const joined = (first: Report, second: Report): Report => ({
  ...second,
  ...counts(first, second),
  status: endOf(first.status, second.status),
  plan: second.status !== 'held' && deletes(first) && !deletes(second) ? first.plan : second.plan,
  started_at: first.started_at,
  duration_ms: first.duration_ms + second.duration_ms,
  planned: sums(first.planned, second.planned),
  operations: sums(first.operations, second.operations),
  unplaceable: [...new Map([...first.unplaceable, ...second.unplaceable].map((each) => [each.path, each])).values()],
});

const statusOf = ({ planned: { plan }, applied, before, isBlocked, held, dryRun }: Ended): Report['status'] => {
  if (isBlocked) return 'partial';
  if (held) return 'held';
  if (before) return 'partial';
  if (plan.steps.length === 0) return 'idle';
  if (dryRun) return 'dry-run';
  return isWhole(plan, applied) ? 'done' : 'partial';
};

/** Whether a plan was carried out. What was superseded is no failure: the event that supersedes it is on its way. */
export const isWhole = ({ steps }: Plan, { states }: ApplyResult): boolean =>
  states.done + states.superseded === steps.length;

const countKinds = (plan: Plan): Partial<Record<OperationKind, number>> => {
  const counts: Partial<Record<OperationKind, number>> = {};
  for (const { operation } of plan.steps) counts[operation.kind] = (counts[operation.kind] ?? 0) + 1;
  return counts;
};

/** The times of what began then and ends now. A clock that was set back meanwhile makes no negative duration. */
export const timesOf = (started: Date): Pick<Report, 'started_at' | 'finished_at' | 'duration_ms'> => {
  const ended = new Date();
  return {
    started_at: started.toISOString(),
    finished_at: ended.toISOString(),
    duration_ms: Math.max(0, ended.getTime() - started.getTime()),
  };
};

/** Leaves the report in its cycle's folder, where the status looks for it. */
export const publishReport = (folder: string, report: Report): Promise<void> =>
  publishFile(join(folder, 'report.json'), (append) => append(`${JSON.stringify(report, null, 2)}\n`));
