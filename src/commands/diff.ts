import { diffSnapshots } from '../diff/diff.ts';
import { exitCode } from '../errors.ts';
import { planDiff } from '../plan/plan-diff.ts';
import type { Context } from './context.ts';

/** A write for each line would cost more than the diff. */
const linesAtOnce = 1_000;

/** Prints the operations that lead from one snapshot to the other; touches nothing else. */
export const runDiff = async (
  context: Context,
  oldPath: string,
  newPath: string,
  flags: { summary?: boolean },
): Promise<number> => {
  const { operations, unplaceable } = planDiff((onChange) => diffSnapshots(oldPath, newPath, onChange));
  if (flags.summary) {
    const counts: Record<string, number> = { save: 0, delete: 0, rename: 0, move: 0, update_permissions: 0 };
    for (const { kind } of operations) counts[kind] = (counts[kind] ?? 0) + 1;
    context.print(`${JSON.stringify({ ...counts, operations: operations.length, unplaceable: unplaceable.length })}\n`);
  } else {
    for (let at = 0; at < operations.length; at += linesAtOnce) {
      const some = operations.slice(at, at + linesAtOnce);
      context.print(some.map((operation) => `${JSON.stringify(operation)}\n`).join(''));
    }
  }
  for (const { path, reason } of unplaceable) context.logger.warn({ path, reason }, 'path cannot be placed');
  return exitCode.done;
};
