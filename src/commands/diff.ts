import { besideIn } from '../diff/beside.ts';
import { mergeSnapshots } from '../diff/diff.ts';
import { exitCode } from '../errors.ts';
import { planDiff } from '../plan/plan-diff.ts';
import type { Context } from './context.ts';

/** Prints the operations that lead from one snapshot to the other; touches nothing else. */
export const runDiff = async (
  context: Context,
  oldPath: string,
  newPath: string,
  flags: { summary?: boolean },
): Promise<number> => {
  const { counts, unplaceable } = await planDiff(
    {
      walk: (onPair, onDoubt) => mergeSnapshots(oldPath, newPath, onPair, onDoubt),
      rowsOf: besideIn(oldPath, newPath),
    },
    flags.summary ? undefined : context,
  );
  if (flags.summary) context.print(`${JSON.stringify({ ...counts, unplaceable: unplaceable.length })}\n`);
  for (const { path, reason } of unplaceable) context.logger.warn({ path, reason }, 'path cannot be placed');
  return exitCode.done;
};
