import type { BucketEvent, Recorded } from '../../events/event.ts';
import { type FileRow, keyAt } from '../rows.ts';
import type { WorkingSet } from '../working-set.ts';

/** The part of a working set that one point event needs. */
export type Rows = {
  get(path: string): FileRow | undefined;
  set(row: FileRow): void;
  remove(path: string): void;
};

/** The row after a create: new content, the same identity, and permissions kept where the event has none. */
export const created = (event: Recorded<BucketEvent>, before: FileRow | undefined): FileRow => ({
  path: event.path,
  file_id: before?.file_id ?? event.offset,
  key: keyAt(event.path, event.key ?? null),
  size: event.size ?? null,
  etag: event.etag ?? null,
  permissions: event.permissions ?? before?.permissions ?? null,
  modified_at: event.modifiedAt ?? event.time,
  offset: event.offset,
});

/**
 * The row after a rename or move of the file to `path`, with what the event states of the object there: a store that copies
 * to rename may give it another etag, for the same bytes.
 */
export const carriedRow = (row: FileRow, path: string, { key, size, etag }: Omit<BucketEvent, 'path'>): FileRow => ({
  ...row,
  path,
  key: key === undefined ? row.key : keyAt(path, key),
  size: size ?? row.size,
  etag: etag ?? row.etag,
});

/** Applies one point event that comes after every other event that touched its paths. */
export const evolve = (rows: Rows, event: Recorded<BucketEvent>): void => {
  const before = rows.get(event.path);
  switch (event.type) {
    case 'create':
      rows.set(created(event, before));
      break;
    case 'delete':
      if (before) rows.remove(event.path);
      break;
    case 'change_permission':
      if (before && event.permissions !== undefined) {
        rows.set({ ...before, permissions: event.permissions, offset: event.offset });
      }
      break;
    case 'rename':
    case 'move':
      if (before && event.to !== undefined) {
        rows.remove(event.path);
        rows.set({ ...carriedRow(before, event.to, event), offset: event.offset });
      }
      break;
  }
};

/** Applies an event about a whole folder to rows in memory; false where they are too many. See tree.ts for the same in SQL. */
export const evolveTree = async (
  rows: Pick<WorkingSet, 'beneath' | 'load' | 'set' | 'remove'>,
  event: Recorded<BucketEvent>,
): Promise<boolean> => {
  const found = await rows.beneath(event.path);
  if (!found) return false;
  const { permissions, to, offset } = event;
  if (event.type === 'change_permission') {
    if (permissions !== undefined) for (const row of found) rows.set({ ...row, permissions, offset });
    return true;
  }
  const moved =
    to === undefined ? [] : found.map((row) => ({ ...row, path: to + row.path.slice(event.path.length), offset }));
  // What they take the place of.
  await rows.load(moved.map(({ path }) => path));
  for (const { path } of found) rows.remove(path);
  for (const row of moved) rows.set(row);
  return true;
};
