import { createHash, hash } from 'node:crypto';
import type { Operation } from './operation.ts';

/**
 * An operation's id: a hash of what changes from where to where. The same transition always has the same id, so repeating
 * it after a crash is recognised; a later transition back to an earlier content has other offsets, and so another id.
 */
export const withId = (operation: Omit<Operation, 'op_id'>): Operation => {
  const { kind, path, to, file_id, from_offset, to_offset } = operation;
  const identity = JSON.stringify([kind, path, to ?? null, file_id, from_offset, to_offset]);
  return { op_id: hash('sha256', identity).slice(0, 32), ...operation };
};

/** A plan's id: a hash of its operations in order. */
export const planId = (operations: readonly Operation[]): string => {
  const all = createHash('sha256');
  for (const operation of operations) all.update(operation.op_id);
  return all.digest('hex').slice(0, 16);
};

/** A name that no bucket key is likely to have, outside every folder, to break a cycle of renames. */
export const temporaryPath = (path: string, offset: number): string =>
  `.s3-sync-tmp-${hash('sha256', `${offset}:${path}`).slice(0, 16)}`;
