import { type BucketEvent, isFolder } from '../../events/event.ts';

/** What a file table must hold, by path; without the columns that name the log's own offsets. */
export type Reference = Map<
  string,
  { key: string | null; size: number | null; etag: string | null; permissions: string | null; modified_at: string }
>;

/** The slow obvious fold of events in their true order: the oracle of every projection test. */
export const referenceFold = (events: readonly BucketEvent[]): Reference => {
  let files: Reference = new Map();
  const beneath = (path: string, event: BucketEvent): boolean =>
    path === event.path || (isFolder(event.path) && event.scope === undefined && path.startsWith(event.path));
  for (const event of events) {
    if (event.type === 'create') {
      files.set(event.path, {
        key: event.key === undefined || event.key === event.path ? null : event.key,
        size: event.size ?? null,
        etag: event.etag ?? null,
        permissions: event.permissions ?? files.get(event.path)?.permissions ?? null,
        modified_at: event.modifiedAt ?? event.time,
      });
    } else if (event.type === 'delete') {
      files = new Map([...files].filter(([path]) => !beneath(path, event)));
    } else if (event.type === 'change_permission') {
      for (const [path, row] of files) if (beneath(path, event)) row.permissions = event.permissions ?? row.permissions;
    } else {
      const carried = [...files].filter(([path]) => beneath(path, event));
      for (const [path] of carried) files.delete(path);
      // Many files cannot have one key, size and etag: those of a folder's rename say nothing of the files beneath.
      const { key, size, etag } = isFolder(event.path) ? {} : event;
      for (const [path, row] of carried)
        files.set((event.to as string) + path.slice(event.path.length), {
          ...row,
          ...(key !== undefined && { key: key === event.to ? null : key }),
          ...(size !== undefined && { size }),
          ...(etag !== undefined && { etag }),
        });
    }
  }
  return files;
};
