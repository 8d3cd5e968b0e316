import { isFolder, type OutcomeEvent, type Recorded } from '../events/event.ts';
import type { FileRow } from './rows.ts';
import { endOfFolder, type Store } from './store.ts';
import { chmodTree, deleteTree, moveTree } from './tree.ts';
import type { Totals, WorkingSet } from './working-set.ts';

/**
 * The mirror: what the file manager has confirmed. Folded from outcomes alone, in log order, which is the order in which
 * the operations depended on each other.
 */
const applyOutcome = (rows: WorkingSet, event: Recorded<OutcomeEvent>): void => {
  const before = rows.get(event.path);
  switch (event.operation) {
    case 'save':
      rows.set({
        path: event.path,
        file_id: event.fileId,
        key: event.key ?? null,
        size: event.size ?? null,
        etag: event.etag ?? null,
        permissions: event.permissions ?? before?.permissions ?? null,
        modified_at: event.modifiedAt ?? event.time,
        offset: event.fileOffset,
      });
      break;
    case 'update_permissions':
      if (before && event.permissions !== undefined) {
        rows.set({ ...before, permissions: event.permissions, offset: event.fileOffset });
      }
      break;
    case 'delete':
      rows.remove(event.path);
      break;
    case 'rename':
    case 'move':
      if (before && event.to !== undefined) {
        rows.remove(event.path);
        rows.set({ ...before, ...renamed(event, event.to) });
      }
      break;
  }
};

const renamed = (event: Recorded<OutcomeEvent>, to: string): Partial<FileRow> & { path: string } => ({
  path: to,
  file_id: event.fileId,
  offset: event.fileOffset,
  ...(event.key !== undefined && { key: event.key }),
});

/** A folder operation holds for all beneath, except that `save` makes the folder itself. */
const isTreeOutcome = (event: OutcomeEvent): boolean =>
  isFolder(event.path) && event.operation !== 'save' && event.scope !== 'marker';

const applyTreeOutcome = async (store: Store, event: Recorded<OutcomeEvent>): Promise<Totals> => {
  if (event.operation === 'delete') {
    await store.run('INSERT OR REPLACE INTO vacated SELECT path, ? FROM mirror WHERE path >= ? AND path < ?', [
      event.offset,
      event.path,
      endOfFolder(event.path),
    ]);
    return deleteTree(store, 'mirror', event.path);
  }
  if (event.operation === 'update_permissions') {
    if (event.permissions !== undefined)
      await chmodTree(store, 'mirror', event.path, event.permissions, event.fileOffset);
    return { files: 0, bytes: 0 };
  }
  return moveTree(store, 'mirror', event.path, event.to ?? event.path, event.fileOffset);
};

/** Notes which paths were deleted and not saved again since. */
const noteVacated = async (store: Store, events: readonly Recorded<OutcomeEvent>[]): Promise<void> => {
  const last = new Map<string, number | undefined>();
  for (const event of events) {
    if (event.operation === 'delete') last.set(event.path, event.offset);
    else if (event.operation === 'save') last.set(event.path, undefined);
  }
  const deleted = [...last].filter(([, offset]) => offset !== undefined);
  const saved = [...last].filter(([, offset]) => offset === undefined).map(([path]) => path);
  if (saved.length > 0) {
    await store.run('DELETE FROM vacated WHERE path IN (SELECT value FROM json_each(?))', [JSON.stringify(saved)]);
  }
  if (deleted.length > 0) {
    await store.run('INSERT OR REPLACE INTO vacated SELECT value->>0, value->>1 FROM json_each(?)', [
      JSON.stringify(deleted),
    ]);
  }
};

/** Folds one window of outcomes. Rows stay in memory, unwritten, until the caller flushes them. */
export const foldOutcomes = async (
  store: Store,
  events: readonly Recorded<OutcomeEvent>[],
  rows: WorkingSet,
): Promise<Totals> => {
  const totals: Totals = { files: 0, bytes: 0 };
  const add = (change: Totals): void => {
    totals.files += change.files;
    totals.bytes += change.bytes;
  };
  for (let start = 0; start < events.length; ) {
    let end = start;
    while (end < events.length && !isTreeOutcome(events[end] as OutcomeEvent)) end++;
    const run = events.slice(start, end);
    await rows.load(run.flatMap((event) => (event.to === undefined ? [event.path] : [event.path, event.to])));
    for (const event of run) applyOutcome(rows, event);
    const tree = events[end];
    if (tree || rows.isFull()) add(await rows.flush());
    await noteVacated(store, run);
    if (tree) add(await applyTreeOutcome(store, tree));
    start = end + 1;
  }
  return totals;
};
