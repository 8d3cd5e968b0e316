/**
 * The contract: what a producer may say about the bucket, and what the log holds.
 * Nothing here depends on a broker, a database or the network.
 */

/** The five facts a producer can state about the bucket. */
export type BucketEventType = 'create' | 'delete' | 'rename' | 'move' | 'change_permission';

/**
 * One decoded fact about the bucket, in the service's own vocabulary.
 *
 * A `path` that ends in `/` is a folder. `rename`, `move`, `delete` and `change_permission` of a folder hold for all
 * beneath it; `create` makes the folder itself.
 */
export type BucketEvent = {
  /** The producer's semantic id: the same fact always carries the same id, however often and wherever it is delivered. */
  readonly id: string;
  readonly type: BucketEventType;
  /** When it happened at the producer, RFC 3339 in UTC (`Z`). */
  readonly time: string;
  readonly path: string;
  /** Full new path; `rename` and `move` only. */
  readonly to?: string;
  /** Content length in bytes. */
  readonly size?: number;
  readonly etag?: string;
  /** POSIX octal such as `0644`, or an opaque string that the file manager understands. */
  readonly permissions?: string;
  /** Order token in normal form, `scheme:value` (see order.ts); comparable only within its scheme. */
  readonly version?: string;
  /** Bucket key. One that is the path itself (of a rename or move: `to`) says nothing, and the file has none. */
  readonly key?: string;
  /** RFC 3339 in UTC. Defaults to `time` where the file table needs one. */
  readonly modifiedAt?: string;
  /** `marker`: the event concerns only the folder marker object, never what lies beneath (an S3 key that ends in `/`). */
  readonly scope?: 'marker';
  /** Which decoder or part of the service produced it: `native`, `s3`, `gcs`, `eventbridge`, `scan`, … */
  readonly source: string;
};

/** What the file manager was asked to do. The names are the operation kinds of the file-manager contract. */
export type OperationKind = 'save' | 'delete' | 'rename' | 'move' | 'update_permissions';

/** What both kinds of outcome say: how the mirror changes. */
type OutcomeFacts = {
  readonly type: 'outcome';
  /** When the file manager answered, or it was found out; RFC 3339 in UTC. */
  readonly time: string;
  readonly path: string;
  readonly to?: string;
  readonly size?: number;
  readonly etag?: string;
  readonly permissions?: string;
  readonly key?: string;
  readonly modifiedAt?: string;
  /** `marker`: only the folder itself was deleted, not what lies beneath. */
  readonly scope?: 'marker';
  readonly source: 'file-manager';
  /** Of a confirmation what was carried out; of an observation what would have led the mirror to what is there. */
  readonly operation: OperationKind;
  /** `file_id` of the row that the mirror now holds; 0 where it is not known what is there. */
  readonly fileId: number;
  /** `offset` of that row (0 after a delete that was confirmed). */
  readonly fileOffset: number;
};

/** The file manager confirmed an operation of a plan. */
export type Confirmation = OutcomeFacts & {
  /** `outcome:<op_id>`. An operation that is repeated after a crash yields the same outcome id: one event, one effect. */
  readonly id: `outcome:${string}`;
};

/**
 * The mirror changes, and no operation of a plan was carried out. By the id: it is not known what is there (`unknown:`), the
 * file manager was found to hold something else (`found:`), nothing came back where that was not known (`not-back:`), or
 * a file came back from the trash (`outcome:undo:`).
 */
export type Observation = OutcomeFacts & {
  readonly id: `${'unknown' | 'found' | 'not-back'}:${number}:${string}` | `outcome:undo:${string}`;
};

/**
 * An outcome is a fact like any other: it is appended to the same log, and the mirror (what the file manager has) is folded
 * from outcomes alone.
 */
export type OutcomeEvent = Confirmation | Observation;

/** The id alone tells: both kinds have always lain in the log alike. */
export const isConfirmation = ({ id }: OutcomeEvent): boolean =>
  id.startsWith('outcome:') && !id.startsWith('outcome:undo:');

/** Whether an id is such as outcomes have: no producer may use it, since the outcome would then pass for a duplicate. */
export const isOutcomeId = (id: string): boolean => /^(?:outcome:|(?:unknown|found|not-back):\d+:)/.test(id);

export type LogEvent = BucketEvent | OutcomeEvent;

/** An event with its place in the log. Offsets are 1, 2, 3, … without a hole. */
export type Recorded<E extends LogEvent = LogEvent> = E & { readonly offset: number };

/** Whether a path names a folder. */
export const isFolder = (path: string): boolean => path.endsWith('/');

/** The folders around a path, outermost first, and the path itself when it is a folder. */
export const foldersAround = (path: string): string[] => {
  const folders: string[] = [];
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1))
    folders.push(path.slice(0, slash + 1));
  return folders;
};

/** The paths that an event or an operation names. */
export const pathsOf = ({ path, to }: { readonly path: string; readonly to?: string }): string[] =>
  to === undefined ? [path] : [path, to];
