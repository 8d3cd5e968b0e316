import { type _Object as ListedByS3, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { FatalError, RetryableError } from '../errors.ts';
import type { Patience } from '../patience.ts';
import type { Bucket, ListedObject, ListingPage } from './bucket.ts';
import { bareEtag, type Connection, guardedSmall, isoTime, observedAtOf } from './client.ts';
import type { Asked } from './errors.ts';

/** A key as `encoding-type=url` writes it: the only way in which every key survives XML. */
const decodedKey = (encoded: string): string => {
  try {
    return decodeURIComponent(encoded.replace(/\+/g, ' '));
  } catch {
    throw new FatalError(`list the bucket: a key is not url-encoded as it was asked for: ${JSON.stringify(encoded)}`);
  }
};

const listedObject = (object: ListedByS3, encoded: boolean): ListedObject => ({
  key: encoded ? decodedKey(object.Key ?? '') : (object.Key ?? ''),
  size: object.Size ?? 0,
  etag: bareEtag(object.ETag),
  modifiedAt: isoTime(object.LastModified),
});

const once: Patience = (ask) => ask();

/**
 * The bucket's objects, a page at a time. The last page alone says `last`; a listing that fails, or that goes on without
 * saying where, throws: it never looks complete.
 */
export const listing = (client: S3Client, connection: Connection): Bucket['list'] =>
  async function* ({ prefix, startAfter, signal, patience = once } = {}): AsyncGenerator<ListingPage> {
    const name = connection.bucket;
    const asked: Asked = { what: 'list the bucket', of: 'bucket', bucket: name };
    let token: string | undefined;
    for (;;) {
      const command = new ListObjectsV2Command({
        Bucket: name,
        EncodingType: 'url',
        ...(prefix !== undefined && { Prefix: prefix }),
        ...(startAfter !== undefined && { StartAfter: startAfter }),
        ...(token !== undefined && { ContinuationToken: token }),
      });
      const page = await patience(() =>
        guardedSmall(asked, connection, signal, (options) => client.send(command, options)),
      );
      const next = page.IsTruncated ? page.NextContinuationToken : undefined;
      // An empty answer, or a web page, has none of this: it must not pass for an empty bucket.
      if (page.IsTruncated === undefined && page.KeyCount === undefined && page.Name === undefined)
        throw new RetryableError('list the bucket: the answer is no listing: is CUSTOMER_S3_ENDPOINT an S3 endpoint?');
      if (page.IsTruncated && (next === undefined || next === token))
        throw new RetryableError('list the bucket: the listing says that it goes on, and not where');
      const objects = (page.Contents ?? []).map((object) => listedObject(object, page.EncodingType === 'url'));
      yield { objects, observedAt: observedAtOf(page), last: next === undefined };
      if (next === undefined) return;
      token = next;
    }
  };
