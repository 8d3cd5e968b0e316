import { removeEmptyParents, renameDurably } from './disk.ts';
import type { Intent } from './intents.ts';
import { onDisk, statOf } from './paths.ts';
import { isExplicit } from './state.ts';
import type { Store } from './store.ts';

/**
 * Takes back an intent that failed: the disk is as before it, and nobody remembers it. False when it has gone too far for
 * that, or taking it back fails too.
 */
export const isWithdrawn = async (store: Store, id: number, intent: Intent): Promise<boolean> => {
  try {
    if (!(await isPutBack(store, intent))) return false;
    await store.db.run('DELETE FROM intent WHERE id = ?', [id]);
    return true;
  } catch {
    return false;
  }
};

/** Undoes the steps on disk before the one that counts. False when that one was done. */
const isPutBack = async (store: Store, intent: Intent): Promise<boolean> => {
  const { root } = store;
  const trashed = store.trashed(intent.name);
  const inTrash = (await statOf(trashed)) !== undefined;
  if (intent.kind === 'delete') return !inTrash;
  if (intent.kind === 'restore' ? !inTrash : (await statOf(onDisk(root, intent.path))) === undefined) return false;
  const place = intent.kind === 'restore' ? intent.path : intent.to;
  // A folder that was to be replaced.
  if (intent.kind === 'relocate' && inTrash) await renameDurably(trashed, onDisk(root, place));
  await removeEmptyParents(root, place, (folder) => isExplicit(store.db, folder));
  return true;
};
