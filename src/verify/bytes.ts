import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { systemClock } from '../apply/clock.ts';
import { backoff, retryLimits } from '../apply/retry.ts';
import type { Bucket } from '../bucket/bucket.ts';
import { isOfSettings, messageOf, RetryableError, SupersededError } from '../errors.ts';
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

export type CompareBytes = (pair: Pair) => Promise<BytesFound>;

/** Whether an etag may be the MD5 of the content. */
const md5Shaped = (etag: string): boolean => /^[0-9a-f]{32}$/i.test(etag);

const digest = async (body: Readable): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of body) hash.update(chunk as Buffer);
  return hash.digest('hex');
};

/** Resolves with the digest of a file's bytes, or with what they cannot be read for. */
type ReadBytes = (pair: Pair) => Promise<string | { readonly error: unknown }>;

/**
 * Reads bytes of one side, and again where that may help. Throws what `isThere` says while the side itself is away, or where a
 * person must put it right. A file that cannot be read all the same leaves the next one a single try, until one can be
 * read: very many of them would take for ever.
 */
const createReadBytes = (
  open: (pair: Pair) => Promise<Readable>,
  isThere: () => Promise<unknown>,
  signal: AbortSignal | undefined,
): ReadBytes => {
  let tries = retryLimits.attemptsMax;
  return async (pair) => {
    for (let failed = 0; ; failed++) {
      try {
        const found = await digest(await open(pair));
        tries = retryLimits.attemptsMax;
        return found;
      } catch (error) {
        signal?.throwIfAborted();
        const mayPass = error instanceof RetryableError;
        if (mayPass || isOfSettings(error)) await isThere();
        if (!mayPass) return { error };
        if (failed + 1 >= tries) {
          tries = 1;
          return { error };
        }
        await systemClock.sleep(backoff(failed, error.retryAfterMs, retryLimits, systemClock.random), signal);
      }
    }
  };
};

/** An etag in the shape of an MD5 is none everywhere (encrypted objects): where they differ, the bytes themselves decide. */
export const createCompareBytes = ({ fileManager, bucket, checksum, signal }: ReadSides): CompareBytes => {
  const within = signal ? { signal } : {};
  const theirs = createReadBytes(
    ({ path }) => fileManager.read(path, within),
    () => fileManager.describe(within),
    signal,
  );
  const ours = createReadBytes(
    async ({ key, etag }) => (await bucket.get(key, { ...within, ...(etag !== null && { ifMatch: etag }) })).body,
    () => bucket.check(within),
    signal,
  );
  return async (pair) => {
    const { etag, md5 } = pair;
    const isSuspect = etag !== null && md5 !== undefined && md5Shaped(etag) && md5 !== etag.toLowerCase();
    if (!checksum && !isSuspect) return 'same';
    const digests = await Promise.all([theirs(pair), ours(pair)]);
    const errors = digests.flatMap((found) => (typeof found === 'string' ? [] : [found.error]));
    if (errors.length > 0)
      return { unread: messageOf(errors[0]), replaced: errors.some((error) => error instanceof SupersededError) };
    return digests[0] === digests[1] ? 'same' : 'different';
  };
};
