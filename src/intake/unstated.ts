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

const knownFiles = async (
  files: Pick<Queries, 'all'> | undefined,
  paths: readonly string[],
): Promise<Map<string, Known>> => {
  if (!files || paths.length === 0) return new Map();
  const rows = await files.all<Known>(
    'SELECT path, size, etag, permissions FROM file WHERE path IN (SELECT value FROM json_each(?))',
    [JSON.stringify(paths)],
  );
  return new Map(rows.map((row) => [row.path, row]));
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
  const matters = ({ path, size, etag }: BucketEvent): boolean => {
    const row = known.get(path);
    return acl || (row !== undefined && (row.permissions !== null || (row.etag === etag && row.size === size)));
  };
  return open
    .filter(({ event }) => matters(event))
    .map(({ event, at }): Asked => ({ question: 'facts', key: event.key ?? event.path, event, at }));
};
