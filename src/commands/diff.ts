import { diffSnapshots } from '../diff/diff.ts';
import { exitCode } from '../errors.ts';
import type { Change } from '../plan/operation.ts';
import { planChanges } from '../plan/plan.ts';
import type { Context } from './context.ts';

/** Prints the operations that lead from one snapshot to the other; touches nothing else. */
export const runDiff = async (
  context: Context,
  oldPath: string,
  newPath: string,
  flags: { summary?: boolean },
): Promise<number> => {
  const changes: Change[] = [];
  diffSnapshots(oldPath, newPath, (change) => changes.push(change));
  const plan = planChanges(changes);
  if (flags.summary) {
    const counts: Record<string, number> = { save: 0, delete: 0, rename: 0, move: 0, update_permissions: 0 };
    for (const { operation } of plan.steps) counts[operation.kind] = (counts[operation.kind] ?? 0) + 1;
    context.print(
      `${JSON.stringify({ ...counts, operations: plan.steps.length, unplaceable: plan.unplaceable.length })}\n`,
    );
  } else for (const { operation } of plan.steps) context.print(`${JSON.stringify(operation)}\n`);
  for (const { path, reason } of plan.unplaceable) context.logger.warn({ path, reason }, 'path cannot be placed');
  return exitCode.done;
};
