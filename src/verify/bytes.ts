import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Bucket } from '../bucket/bucket.ts';
import { messageOf, SupersededError } from '../errors.ts';
import type { FileManager } from '../file-manager/file-manager.ts';

/** A file of the file manager and the object that it stands for, of one size. */
export type Pair = {
  readonly path: string;
  readonly key: string;
  readonly etag: string | null;
  /** The MD5 of the file, where the file manager tells it. */
  readonly md5: string | undefined;
};

export type ReadSides = {
  readonly fileManager: FileManager;
  readonly bucket: Bucket;
  /** Read the bytes of every file on both sides. Without it only those of files whose MD5 is not their etag. */
  readonly checksum?: boolean;
  readonly signal?: AbortSignal;
};

/** `unread`: why the bytes could not be read on both sides; `replaced`, since the bucket does not hold them any more. */
export type BytesFound = 'same' | 'different' | { readonly unread: string; readonly replaced: boolean };

/** Whether an etag may be the MD5 of the content. */
const md5Shaped = (etag: string): boolean => /^[0-9a-f]{32}$/i.test(etag);

const digest = async (body: Readable): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of body) hash.update(chunk as Buffer);
  return hash.digest('hex');
};

/** An etag in the shape of an MD5 is none everywhere (encrypted objects): where they differ, the bytes themselves decide. */
export const compareBytes = async (
  { path, key, etag, md5 }: Pair,
  { fileManager, bucket, checksum, signal }: ReadSides,
): Promise<BytesFound> => {
  const isSuspect = etag !== null && md5 !== undefined && md5Shaped(etag) && md5 !== etag.toLowerCase();
  if (!checksum && !isSuspect) return 'same';
  const within = signal ? { signal } : {};
  try {
    const [theirs, ours] = await Promise.all([
      fileManager.read(path, within).then(digest),
      bucket.get(key, { ...within, ...(etag !== null && { ifMatch: etag }) }).then(({ body }) => digest(body)),
    ]);
    return theirs === ours ? 'same' : 'different';
  } catch (error) {
    signal?.throwIfAborted();
    return { unread: messageOf(error), replaced: error instanceof SupersededError };
  }
};
