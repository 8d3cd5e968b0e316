import type { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { SupersededError } from '../errors.ts';
import type { AclMapping } from './acl.ts';
import type { Bucket } from './bucket.ts';
import { abortable, type Connection, connect, guarded, guardedSmall } from './client.ts';
import type { Asked } from './errors.ts';
import { identityOf } from './identity.ts';
import { listing } from './listing.ts';
import { aclOf, getOf, headOf } from './object.ts';

export type BucketOptions = Connection & {
  /** Permissions for canned ACLs; what it leaves out follows the default (see acl.ts). */
  readonly aclMapping?: AclMapping | undefined;
};

/** The customer's bucket over S3. This folder alone knows the S3 client. */
export const createBucket = (options: BucketOptions): Bucket & { close(): void } => {
  const client = connect(options, 'read');
  const name = options.bucket;
  return {
    name,
    list: listing(client, options),
    head: headOf(client, options),
    aclPermissions: aclOf(client, options, options.aclMapping),
    get: getOf(client, options),
    identify: identityOf(client, options),
    check: async ({ signal } = {}) => {
      await guardedSmall({ what: 'reach the bucket', of: 'bucket', bucket: name }, options, signal, (limits) =>
        client.send(new ListObjectsV2Command({ Bucket: name, MaxKeys: 1 }), limits),
      );
    },
    close: () => client.destroy(),
  };
};

export type CallOptions = { readonly signal?: AbortSignal | undefined };

export type PutOptions = CallOptions & {
  /** Bytes; needed for a stream. */
  readonly length?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
};

/** Writing to a bucket: the demo's changes, test data, and the reference file manager's backup storage. */
export type BucketWriter = {
  /** Whether there is such a bucket; rejects where it is of no use. */
  isThere(options?: CallOptions): Promise<boolean>;
  /** Makes the bucket; one that is there already is left as it is. */
  create(options?: CallOptions): Promise<void>;
  put(key: string, body: Buffer | Readable, options?: PutOptions): Promise<void>;
  /** False when there is no object to copy. */
  copy(from: string, to: string, options?: CallOptions): Promise<boolean>;
  /** Deleting what is not there succeeds. */
  delete(key: string, options?: CallOptions): Promise<void>;
  close(): void;
};

export const createBucketWriter = (options: Connection): BucketWriter => {
  const client = connect(options, 'write');
  const { bucket: Bucket, settings } = options;
  const asked = (what: string, of: Asked['of'] = 'object'): Asked => ({ what, of, bucket: Bucket, settings });
  return {
    isThere: ({ signal } = {}) =>
      guarded(asked('reach the bucket', 'bucket'), () =>
        succeeds(/^NoSuchBucket$/, () =>
          client.send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 }), abortable(signal)),
        ),
      ),
    create: async ({ signal } = {}) => {
      await guarded(asked(`create the bucket ${JSON.stringify(Bucket)}`, 'bucket'), () =>
        succeeds(/^BucketAlready(OwnedByYou|Exists)$/, () =>
          client.send(new CreateBucketCommand({ Bucket }), abortable(signal)),
        ),
      );
    },
    put: async (key, body, { length, metadata, signal } = {}) => {
      await guarded(asked(`write ${JSON.stringify(key)}`), () =>
        client.send(
          new PutObjectCommand({
            Bucket,
            Key: key,
            Body: body,
            ...(length !== undefined && { ContentLength: length }),
            ...(metadata && { Metadata: metadata }),
          }),
          abortable(signal),
        ),
      );
    },
    copy: async (from, to, { signal } = {}) => {
      const CopySource = `${Bucket}/${encodeURIComponent(from)}`;
      try {
        await guarded(asked(`copy ${JSON.stringify(from)}`), () =>
          client.send(new CopyObjectCommand({ Bucket, Key: to, CopySource }), abortable(signal)),
        );
        return true;
      } catch (error) {
        if (error instanceof SupersededError) return false;
        throw error;
      }
    },
    delete: async (key, { signal } = {}) => {
      await guarded(asked(`delete ${JSON.stringify(key)}`), () =>
        client.send(new DeleteObjectCommand({ Bucket, Key: key }), abortable(signal)),
      );
    },
    close: () => client.destroy(),
  };
};

/** False where the call fails with an error of such a name. */
const succeeds = async (failure: RegExp, call: () => Promise<unknown>): Promise<boolean> => {
  try {
    await call();
    return true;
  } catch (error) {
    if (error instanceof Error && failure.test(error.name)) return false;
    throw error;
  }
};
