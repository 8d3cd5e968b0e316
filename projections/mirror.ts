import { isFolder, type OutcomeEvent, pathsOf, type Recorded } from '../events/event.ts';
import type { FileRow } from './rows.ts';
import { endOfFolder, type Store } from './store.ts';
import { chmodTree, deleteTree, moveTree } from './tree.ts';
import type { Totals, WorkingSet } from './working-set.ts';

/** Paths at which nothing is any more, with the offset of the outcome that said so; undefined where something is again. */
type Vacated = Map<string, number | undefined>;

/**
 * The mirror: what the file manager has confirmed. Folded from outcomes alone, in log order, which is the order in which
 * the operations depended on each other.
 */
const applyOutcome = (rows: WorkingSet, vacated: Vacated, event: Recorded<OutcomeEvent>): void => {
  const before = rows.get(event.path);
  const leave = (): void => {
    rows.remove(event.path);
    vacated.set(event.path, event.offset);
  };
  const take = (row: FileRow): void => {
    rows.set(row);
    vacated.set(row.path, undefined);
  };
  switch (event.operation) {
    case 'save':
      take({
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
      leave();
      break;
    case 'rename':
    case 'move':
      if (before && event.to !== undefined) {
        leave();
        take({ ...before, ...renamed(event, event.to) });
      }
      break;
  }
};

const renamed = (event: Recorded<OutcomeEvent>, to: string): Partial<FileRow> & { path: string } => ({
  path: to,
  file_id: event.fileId,
  key: event.key ?? null,
  offset: event.fileOffset,
});

/** A folder operation holds for all beneath, except that `save` makes the folder itself. */
const isTreeOutcome = (event: OutcomeEvent): boolean =>
  isFolder(event.path) && event.operation !== 'save' && event.scope !== 'marker';

const applyTreeOutcome = async (store: Store, event: Recorded<OutcomeEvent>): Promise<Totals> => {
  const { operation, path, to = path, permissions, offset, fileOffset } = event;
  if (operation === 'update_permissions') {
    if (permissions !== undefined) await chmodTree(store, 'mirror', path, permissions, fileOffset);
    return { files: 0, bytes: 0 };
  }
  await store.run('INSERT OR REPLACE INTO vacated SELECT path, ? FROM mirror WHERE path >= ? AND path < ?', [
    offset,
    path,
    endOfFolder(path),
  ]);
  if (operation === 'delete') return deleteTree(store, 'mirror', path);
  const totals = await moveTree(store, 'mirror', path, to, fileOffset);
  await store.run('DELETE FROM vacated WHERE path >= ? AND path < ? AND path IN (SELECT path FROM mirror)', [
    to,
    endOfFolder(to),
  ]);
  return totals;
};

const noteVacated = async (store: Store, vacated: Vacated): Promise<void> => {
  const left = [...vacated].filter(([, offset]) => offset !== undefined);
  const taken = [...vacated].filter(([, offset]) => offset === undefined).map(([path]) => path);
  if (taken.length > 0) {
    await store.run('DELETE FROM vacated WHERE path IN (SELECT value FROM json_each(?))', [JSON.stringify(taken)]);
  }
  if (left.length > 0) {
    await store.run('INSERT OR REPLACE INTO vacated SELECT value->>0, value->>1 FROM json_each(?)', [
      JSON.stringify(left),
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
    await rows.load(run.flatMap(pathsOf));
    const vacated: Vacated = new Map();
    for (const event of run) applyOutcome(rows, vacated, event);
    const tree = events[end];
    if (tree || rows.isFull()) add(await rows.flush());
    await noteVacated(store, vacated);
    if (tree) add(await applyTreeOutcome(store, tree));
    start = end + 1;
  }
  return totals;
};
