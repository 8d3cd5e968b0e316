import { ListBucketsCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import type { Bucket } from './bucket.ts';
import { type Connection, guardedSmall, observedAtOf } from './client.ts';

/**
 * Asks which bucket this is. Its creation date needs the right to list buckets, and so is only told where the endpoint
 * tells it; a bucket of the same name that was made anew has another one.
 */
export const identityOf =
  (client: S3Client, connection: Connection): Bucket['identify'] =>
  async ({ signal } = {}) => {
    const { bucket, endpoint } = connection;
    const [page, created] = await Promise.all([
      guardedSmall({ what: 'reach the bucket', of: 'bucket', bucket }, connection, signal, (limits) =>
        client.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 }), limits),
      ),
      createdAt(client, connection, signal).catch(() => undefined),
    ]);
    const identity = { endpoint: endpoint ? endpointName(endpoint) : `AWS ${connection.region}`, name: bucket };
    return { identity: { ...identity, ...(created !== undefined && { created }) }, observedAt: observedAtOf(page) };
  };

/**
 * Without a user name or password that may stand in it: it is kept, and shown. A slash at the end of a path stays: the same
 * bucket must go by the name that is kept of it.
 */
const endpointName = (endpoint: string): string => {
  const { protocol, host, pathname } = new URL(endpoint);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
};

const createdAt = async (
  client: S3Client,
  connection: Connection,
  signal: AbortSignal | undefined,
): Promise<string | undefined> => {
  const asked = { what: 'list the buckets', of: 'bucket', bucket: connection.bucket } as const;
  const { Buckets = [] } = await guardedSmall(asked, connection, signal, (limits) =>
    client.send(new ListBucketsCommand({ Prefix: connection.bucket, MaxBuckets: 1_000 }), limits),
  );
  return Buckets.find(({ Name }) => Name === connection.bucket)?.CreationDate?.toISOString();
};
