import { Readable } from 'node:stream';

/**
 * A second place that holds what the file manager holds, such as a bucket. Called after a change has been confirmed, in the
 * order of the changes, until it succeeds; a call can be repeated, so each must be idempotent.
 */
export type BackupStorage = {
  /** Tells this storage from another one, which holds nothing of what this one has taken. */
  readonly place: string;
  /** Stores a file, or an empty marker for a path that ends in `/`. `file` opens the bytes; `length` is exact. */
  put(path: string, file: () => Readable, length: number): Promise<void>;
  /** Removing what is not there succeeds. */
  remove(path: string): Promise<void>;
  /** Resolves also when the source is gone because an earlier attempt has renamed it. */
  rename(path: string, to: string): Promise<void>;
};

/** The three calls that a bucket must offer. `copyObject` resolves with false when there is no such object. */
export type BackupBucket = {
  putObject(key: string, body: Readable, length: number): Promise<void>;
  copyObject(key: string, to: string): Promise<boolean>;
  deleteObject(key: string): Promise<void>;
};

/** Keeps the backup in a bucket, each path under the same key, behind an optional prefix. */
export const createBucketBackup = (bucket: BackupBucket, place: string, prefix = ''): BackupStorage => ({
  place: `${place}/${prefix}`,
  put: (path, file, length) =>
    bucket.putObject(`${prefix}${path}`, length === 0 ? Readable.from([], { objectMode: false }) : file(), length),
  remove: (path) => bucket.deleteObject(`${prefix}${path}`),
  rename: async (path, to) => {
    if (await bucket.copyObject(`${prefix}${path}`, `${prefix}${to}`)) await bucket.deleteObject(`${prefix}${path}`);
  },
});
