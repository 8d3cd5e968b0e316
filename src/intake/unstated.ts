import type { BucketEvent } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import type { Queries } from '../storage/database.ts';
import type { Asked } from './ask.ts';

/** Where permissions are looked for that a producer does not state with a create. */
export type PermissionSources = {
  /** The projections, or undefined where the bucket keeps none in its objects' metadata. */
  readonly files?: Pick<Queries, 'all'>;
  /** Whether the ACL of every created object counts: one more request each. */
  readonly acl: boolean;
};

type Known = Pick<FileRow, 'path' | 'size' | 'etag' | 'permissions'>;

/**
 * What is known at these paths: what the bucket holds there, and what the file manager does, which may be the content of a
 * file that went and comes back. Of the latter the permissions would not be kept.
 */
const knownFiles = async (
  files: Pick<Queries, 'all'> | undefined,
  paths: readonly string[],
): Promise<ReadonlyMap<string, readonly Known[]>> => {
  if (!files || paths.length === 0) return new Map();
  const rows = await files.all<Known>(
    `SELECT f.path, f.size, f.etag, f.permissions FROM json_each(?1) AS wanted JOIN file AS f ON f.path = wanted.value
     UNION ALL
     SELECT m.path, m.size, m.etag, NULL FROM json_each(?1) AS wanted JOIN mirror AS m ON m.path = wanted.value`,
    [JSON.stringify(paths)],
  );
  return Map.groupBy(rows, ({ path }) => path);
};

/** Native producers state what they mean. Everybody else's creates may leave permissions to the object. */
const isUnstated = (event: BucketEvent | undefined): event is BucketEvent =>
  event?.type === 'create' && event.permissions === undefined && event.source !== 'native' && !event.path.endsWith('/');

/**
 * The creates of a batch about which the bucket is asked for permissions now. A new file's are read together with its
 * content when it is saved, at no cost. Asked is where that would come too late or never: content that is there already
 * (a copy onto itself is how s3fs and rclone change a mode) is not saved again, and permissions that are known already
 * would be kept.
 */
export const askUnstated = async (
  events: readonly (BucketEvent | undefined)[],
  asked: readonly Asked[],
  { files, acl }: PermissionSources,
): Promise<Asked[]> => {
  const already = new Set(asked.map(({ at }) => at));
  const open = events.flatMap((event, at) => (isUnstated(event) && !already.has(at) ? [{ event, at }] : []));
  const known = await knownFiles(
    files,
    open.map(({ event }) => event.path),
  );
  const matters = ({ path, size, etag }: BucketEvent): boolean =>
    acl || (known.get(path) ?? []).some((row) => row.permissions !== null || (row.etag === etag && row.size === size));
  return open
    .filter(({ event }) => matters(event))
    .map(({ event, at }): Asked => ({ question: 'facts', key: event.key ?? event.path, event, at }));
};
