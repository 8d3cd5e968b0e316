import { join } from 'node:path';
import { runCycle } from '../cycle/cycle.ts';
import { exitCode, FatalError } from '../errors.ts';
import { describePlan } from '../plan/describe.ts';
import { isCovered, isStillMeant, isTold } from '../plan/release.ts';
import { findPlan, releasePlan, storePlan } from '../plan/store.ts';
import { bucketOf, type Context, cycleOptions } from './context.ts';
import { summaryOf } from './summary.ts';
import { exitCodeOf } from './sync.ts';

/** Shows what the next cycle would do, and keeps it under its id. */
export const runPlan = async (context: Context, flags: { json?: boolean }): Promise<number> => {
  const workspace = await context.openWorkspace();
  const bucket = bucketOf(context);
  try {
    const options = { ...cycleOptions(context, workspace, bucket), dryRun: true };
    const { plan, report, withheld, waiting, later } = await runCycle(options);
    context.print(
      flags.json
        ? `${JSON.stringify({ ...plan, held: report.held, ...(withheld && { withheld: withheld.plan }), ...(later > 0 && { later }) })}\n`
        : describePlan(plan, report.held, { waiting, later, withheld: withheld?.plan.steps.length ?? 0 }),
    );
    if (withheld && !flags.json) context.print(`\n${describePlan(withheld.plan, withheld.held)}`);
    return report.status === 'held' ? exitCode.held : exitCode.done;
  } finally {
    bucket.close();
    await workspace.close();
  }
};

/**
 * Carries out a plan that was shown or held, together with what came since and takes nothing away. Refuses when the state it
 * was made from has moved on otherwise.
 */
export const runApply = async (context: Context, id: string): Promise<number> => {
  const folder = join(context.config.paths.data, 'plans');
  const stored = await findPlan(folder, id);
  const workspace = await context.openWorkspace();
  const bucket = bucketOf(context);
  try {
    const options = cycleOptions(context, workspace, bucket);
    const { plan: now, changes, verdict, withheld } = await runCycle({ ...options, dryRun: true });
    const isSame = now.id === stored.plan.id || withheld?.plan.id === stored.plan.id;
    const isPart = stored.held.length > 0 && isStillMeant(stored, now, changes, verdict);
    if (!isSame && !(isPart && isCovered(now, changes, verdict, [stored]))) {
      const next =
        now.steps.length > 0
          ? `the plan is ${now.id} now: look at it with 's3-sync plan'`
          : `nothing is planned now${withheld ? `, and plan ${withheld.plan.id} is held` : ''}`;
      throw new FatalError(`plan ${stored.plan.id} was made from a state that has moved on; ${next}`);
    }
    if (now.id === stored.plan.id && stored.circumstances && !isTold(verdict, [stored])) {
      throw new FatalError(
        `plan ${stored.plan.id} is held for more than when it was shown: ${verdict.reasons.join('; ')}; look at it with 's3-sync plan'`,
      );
    }
    if (context.signal.aborted)
      throw new FatalError(`stopped before anything was carried out: plan ${stored.plan.id} is not released`);
    // As it was shown: what the dry run has stored, or dropped for want of room, is of now.
    if (stored.losses) await storePlan(folder, stored);
    await releasePlan(folder, stored.plan.id);
    const result = await runCycle(options);
    context.print(summaryOf(result.report));
    return exitCodeOf(result);
  } finally {
    bucket.close();
    await workspace.close();
  }
};
