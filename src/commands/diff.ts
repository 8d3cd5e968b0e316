import { diffSnapshots } from '../diff/diff.ts';
import { exitCode } from '../errors.ts';
import { type Operations, planDiff } from '../plan/plan-diff.ts';
import type { Context } from './context.ts';

/** A write for each line would cost more than the diff. */
const linesAtOnce = 1_000;

/** Keeps operations as the text that they are printed as: it takes less room than they do. */
const createLines = (): Operations & { readonly chunks: () => readonly string[] } => {
  let chunks: string[] = [];
  let lines: string[] = [];
  const close = (): void => {
    if (lines.length > 0) chunks.push(lines.join(''));
    lines = [];
  };
  return {
    add: (operation) => {
      lines.push(`${JSON.stringify(operation)}\n`);
      if (lines.length === linesAtOnce) close();
    },
    clear: () => {
      chunks = [];
      lines = [];
    },
    chunks: () => {
      close();
      return chunks;
    },
  };
};

const createCounts = (): Operations & { readonly counts: () => Readonly<Record<string, number>> } => {
  const none = { save: 0, delete: 0, rename: 0, move: 0, update_permissions: 0, operations: 0 };
  let counts = { ...none };
  return {
    add: ({ kind }) => {
      counts[kind] += 1;
      counts.operations += 1;
    },
    clear: () => {
      counts = { ...none };
    },
    counts: () => counts,
  };
};

/** Prints the operations that lead from one snapshot to the other; touches nothing else. */
export const runDiff = async (
  context: Context,
  oldPath: string,
  newPath: string,
  flags: { summary?: boolean },
): Promise<number> => {
  const lines = createLines();
  const counts = createCounts();
  const unplaceable = planDiff((onChange) => diffSnapshots(oldPath, newPath, onChange), flags.summary ? counts : lines);
  if (flags.summary) context.print(`${JSON.stringify({ ...counts.counts(), unplaceable: unplaceable.length })}\n`);
  else for (const chunk of lines.chunks()) context.print(chunk);
  for (const { path, reason } of unplaceable) context.logger.warn({ path, reason }, 'path cannot be placed');
  return exitCode.done;
};
