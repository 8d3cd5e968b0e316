import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { messageOf, RetryableError } from '../errors.ts';

/** Opens the object's bytes from an offset on, under the same `If-Match`. */
export type OpenFrom = (offset: number) => Promise<Readable>;

/** An etag that is the MD5 of the content: not a multipart upload's, not one of an encrypted object. */
export const md5OfEtag = (etag: string, encrypted: boolean): string | undefined =>
  !encrypted && /^[0-9a-f]{32}$/i.test(etag) ? etag.toLowerCase() : undefined;

const resumesMax = 3;

/**
 * The object's bytes, verified while they stream: it fails when the length or the MD5 does not hold. A download that
 * breaks off goes on where it was, with Range and the same If-Match, so the content is never mixed.
 */
export const verifiedStream = (
  first: Readable,
  length: number,
  md5: string | undefined,
  openFrom: OpenFrom,
  what: string,
): Readable => {
  const bytes = async function* (): AsyncGenerator<Buffer> {
    const hash = md5 === undefined ? undefined : createHash('md5');
    let seen = 0;
    let source = first;
    for (let resumes = 0; ; resumes++) {
      try {
        for await (const chunk of source as AsyncIterable<Buffer>) {
          seen += chunk.length;
          hash?.update(chunk);
          yield chunk;
        }
      } catch (error) {
        if (resumes >= resumesMax)
          throw new RetryableError(`${what}: the download broke off at byte ${seen}: ${messageOf(error)}`, {
            cause: error,
          });
      }
      if (seen >= length) break;
      if (resumes >= resumesMax) throw new RetryableError(`${what}: the download ended at byte ${seen} of ${length}`);
      source = await openFrom(seen);
    }
    if (seen !== length) throw new RetryableError(`${what}: ${seen} bytes came, ${length} were announced`);
    if (hash && hash.digest('hex') !== md5) throw new RetryableError(`${what}: the bytes do not have the etag's MD5`);
  };
  return Readable.from(bytes(), { objectMode: false, highWaterMark: 64 * 1024 });
};
