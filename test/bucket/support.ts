import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import type { Bucket, ListingPage } from '../../src/bucket/bucket.ts';
import { type BucketOptions, type BucketWriter, createBucket, createBucketWriter } from '../../src/bucket/s3.ts';
import { uniqueName } from '../support/servers.ts';

export type Access = {
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
};

export const connectionTo = ({ url, accessKey, secretKey, region }: Access, bucket: string): BucketOptions => ({
  endpoint: url,
  region,
  accessKey,
  secretKey,
  bucket,
});

export type Opened = { readonly bucket: Bucket; readonly writer: BucketWriter; readonly options: BucketOptions };

/** A fresh bucket on a real server. */
export const freshBucket = async (
  t: ExecutionContext,
  access: Access,
  more: Partial<BucketOptions> = {},
): Promise<Opened> => {
  const options = { ...connectionTo(access, uniqueName('bucket')), ...more };
  const writer = createBucketWriter(options);
  const bucket = createBucket(options);
  t.teardown(() => {
    writer.close();
    bucket.close();
  });
  await writer.create();
  return { bucket, writer, options };
};

export const pagesOf = async (pages: AsyncIterable<ListingPage>): Promise<ListingPage[]> => {
  const all: ListingPage[] = [];
  for await (const page of pages) all.push(page);
  return all;
};

export const keysOf = async (pages: AsyncIterable<ListingPage>): Promise<string[]> =>
  (await pagesOf(pages)).flatMap(({ objects }) => objects.map(({ key }) => key));

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A bucket on an endpoint that behaves as `handler` says. */
export const bucketAt = async (
  t: ExecutionContext,
  handler: Handler,
  more: Partial<BucketOptions> = {},
): Promise<Bucket> => {
  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    handler(request, response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const bucket = createBucket({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    accessKey: 'a',
    secretKey: 's',
    bucket: 'customer',
    attemptsMax: 1,
    ...more,
  });
  t.teardown(() => {
    bucket.close();
    server.closeAllConnections();
    server.close();
  });
  return bucket;
};
