/**
 * A row of the file table (what the bucket holds) and of the mirror table (what the file manager has confirmed). The two
 * share one shape on purpose: a cycle is the difference between them. Property names are the snapshot's column names.
 */
export type FileRow = {
  readonly path: string;
  /** Offset of the event that created the file. It survives rename and move, so a diff knows a rename exactly. */
  readonly file_id: number;
  /** Bucket key, only where it differs from the path. */
  readonly key: string | null;
  /** Bytes; null where the producer did not say. */
  readonly size: number | null;
  readonly etag: string | null;
  /** Null means that nobody has said: such a row has no opinion, and matches whatever the other side has. */
  readonly permissions: string | null;
  /** RFC 3339, UTC: the event's `modified_at`, or the time of the event that wrote the content. */
  readonly modified_at: string;
  /** Offset of the last event that changed this row. */
  readonly offset: number;
};

/** Names a row as it stands from one event on: the same path later is another. */
export const rowKey = ({ offset, path }: Pick<FileRow, 'offset' | 'path'>): string => `${offset} ${path}`;

/** The snapshot's columns, in order. */
export const columns = ['path', 'file_id', 'key', 'size', 'etag', 'permissions', 'modified_at', 'offset'] as const;

/** The key that a row keeps: one that is the row's own path follows that path to wherever the file goes, and is none. */
export const keyAt = (path: string, key: string | null): string | null => (key === path ? null : key);

/** The place of each column among a row's cells. */
export const column = Object.fromEntries(columns.map((name, at) => [name, at])) as Readonly<
  Record<(typeof columns)[number], number>
>;

/**
 * Whether two rows hold the same bytes, as far as the producers have said: same size, and same etag where both have one,
 * otherwise the same modification time (a permission change does not touch it, new content does).
 */
export const sameContent = (a: FileRow, b: FileRow): boolean =>
  a.size === b.size &&
  (a.etag !== null && b.etag !== null ? a.etag === b.etag : a.etag === b.etag && a.modified_at === b.modified_at);

/** Whether `have` satisfies what `want` says of permissions; null in `want` is no opinion. */
export const samePermissions = (have: FileRow, want: FileRow): boolean =>
  want.permissions === null || want.permissions === have.permissions;

/** Whether a path is dirty: what the bucket holds there is not what the file manager has. In SQL: dirty.ts. */
export const isDirty = (file: FileRow | undefined, mirror: FileRow | undefined): boolean =>
  file && mirror ? !sameContent(file, mirror) || !samePermissions(mirror, file) : file !== mirror;
