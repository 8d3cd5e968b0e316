import type { Readable } from 'node:stream';
import type { BucketWriter } from '../bucket/s3.ts';

/** A second place that holds what the file manager holds, such as a bucket. A call can be repeated: each is idempotent. */
export type BackupStorage = {
  /** Tells this storage from another one, which holds nothing of what this one has taken. */
  readonly place: string;
  /** Whether there is such a storage, which answers; one that is not there is to be made. Rejects where it is of no use. */
  isThere(signal: AbortSignal): Promise<boolean>;
  make(signal: AbortSignal): Promise<void>;
  /** Stores a file, or an empty marker for a path that ends in `/`. `length` is exact. */
  put(path: string, body: Readable, length: number, signal: AbortSignal): Promise<void>;
  /** False where it holds nothing at `path`, or does not copy. */
  copy(path: string, to: string, signal: AbortSignal): Promise<boolean>;
  /** Removing what is not there succeeds. */
  remove(path: string, signal: AbortSignal): Promise<void>;
};

/** Keeps the backup in a bucket, each path under the same key. */
export const createBucketBackup = (bucket: BucketWriter, place: string): BackupStorage => ({
  place,
  isThere: (signal) => bucket.isThere({ signal }),
  make: (signal) => bucket.create({ signal }),
  put: (path, body, length, signal) => bucket.put(path, body, { length, signal }),
  copy: (path, to, signal) => bucket.copy(path, to, { signal }),
  remove: (path, signal) => bucket.delete(path, { signal }),
});
