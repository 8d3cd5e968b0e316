import type { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { SupersededError } from '../errors.ts';
import type { Bucket, ListedObject, ListingPage, ObjectFacts } from './bucket.ts';
import { asBucketError } from './errors.ts';
import { aclToPosix, type Grant, metadataPermissions } from './permissions.ts';
import { md5OfEtag, verifiedStream } from './verified.ts';

export type BucketOptions = {
  readonly endpoint?: string | undefined;
  readonly region: string;
  readonly accessKey?: string | undefined;
  readonly secretKey?: string | undefined;
  readonly bucket: string;
};

const clientOf = ({ endpoint, region, accessKey, secretKey }: BucketOptions): S3Client => {
  const client = new S3Client({
    region,
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    ...(accessKey !== undefined &&
      secretKey !== undefined && { credentials: { accessKeyId: accessKey, secretAccessKey: secretKey } }),
    maxAttempts: 4,
    requestHandler: {
      connectionTimeout: 5_000,
      requestTimeout: 60_000,
      httpsAgent: { maxSockets: 64 },
      httpAgent: { maxSockets: 64 },
    },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  // The server's own clock tells what a listing observed; the SDK keeps it to itself.
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const headers = (result.response as { headers?: Record<string, string> }).headers;
      if (headers?.date && result.output)
        Object.assign(result.output, { observedAt: new Date(headers.date).toISOString() });
      return result;
    },
    { step: 'deserialize', name: 'keepServerDate', priority: 'high' },
  );
  return client;
};

const observedAtOf = (output: object): string => {
  const date = (output as { observedAt?: string }).observedAt;
  if (date === undefined) throw new Error('the S3 endpoint sends no Date header');
  return date.replace('.000Z', 'Z');
};

const bare = (etag: string | undefined): string => (etag ?? '').replaceAll('"', '');
const isoTime = (date: Date | undefined): string => (date ?? new Date(0)).toISOString();
const decoded = (key: string | undefined): string => decodeURIComponent((key ?? '').replace(/\+/g, ' '));
const signalOf = (signal: AbortSignal | undefined): { abortSignal?: AbortSignal } =>
  signal ? { abortSignal: signal } : {};

/** The customer's bucket over S3. The only folder that knows the S3 client. */
export const createBucket = (options: BucketOptions): Bucket & { close(): void } => {
  const client = clientOf(options);
  const Bucket = options.bucket;
  const guarded = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      throw asBucketError(error, what, Bucket);
    }
  };

  async function* list({
    prefix,
    startAfter,
    signal,
  }: {
    prefix?: string;
    startAfter?: string;
    signal?: AbortSignal;
  } = {}): AsyncGenerator<ListingPage> {
    let token: string | undefined;
    do {
      const page = await guarded('list the bucket', () =>
        client.send(
          new ListObjectsV2Command({
            Bucket,
            EncodingType: 'url',
            ...(prefix !== undefined && { Prefix: prefix }),
            ...(startAfter !== undefined && { StartAfter: startAfter }),
            ...(token !== undefined && { ContinuationToken: token }),
          }),
          signalOf(signal),
        ),
      );
      const objects = (page.Contents ?? []).map(
        (object): ListedObject => ({
          key: page.EncodingType === 'url' ? decoded(object.Key) : (object.Key ?? ''),
          size: object.Size ?? 0,
          etag: bare(object.ETag),
          modifiedAt: isoTime(object.LastModified),
        }),
      );
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
      if (page.IsTruncated && token === undefined) throw new Error('the listing says that it goes on, and not where');
      yield { objects, observedAt: observedAtOf(page), last: token === undefined };
    } while (token !== undefined);
  }

  const factsOf = (
    key: string,
    output: Pick<HeadObjectCommandOutput, 'ContentLength' | 'ETag' | 'LastModified' | 'Metadata' | 'VersionId'>,
  ): ObjectFacts => {
    const permissions = metadataPermissions(output.Metadata);
    return {
      key,
      size: output.ContentLength ?? 0,
      etag: bare(output.ETag),
      modifiedAt: isoTime(output.LastModified),
      observedAt: observedAtOf(output),
      ...(permissions !== undefined && { permissions }),
      ...(output.VersionId !== undefined && { versionId: output.VersionId }),
    };
  };

  const head = async (key: string, { signal }: { signal?: AbortSignal } = {}): Promise<ObjectFacts | undefined> => {
    try {
      const output = await guarded(`ask about ${JSON.stringify(key)}`, () =>
        client.send(new HeadObjectCommand({ Bucket, Key: key }), signalOf(signal)),
      );
      return factsOf(key, output);
    } catch (error) {
      if (error instanceof SupersededError) return undefined;
      throw error;
    }
  };

  const fetchObject = (key: string, ifMatch: string | undefined, offset: number, signal: AbortSignal | undefined) =>
    guarded(`read ${JSON.stringify(key)}`, () =>
      client.send(
        new GetObjectCommand({
          Bucket,
          Key: key,
          ...(ifMatch !== undefined && { IfMatch: `"${ifMatch}"` }),
          ...(offset > 0 && { Range: `bytes=${offset}-` }),
        }),
        signalOf(signal),
      ),
    );

  return {
    name: Bucket,
    list,
    head,
    aclPermissions: async (key, { signal } = {}) => {
      const acl = await guarded(`read the ACL of ${JSON.stringify(key)}`, () =>
        client.send(new GetObjectAclCommand({ Bucket, Key: key }), signalOf(signal)),
      );
      const grants = (acl.Grants ?? []).map((grant): Grant => {
        const uri = grant.Grantee?.URI ?? '';
        const who = uri.endsWith('/AllUsers')
          ? 'everyone'
          : uri.endsWith('/AuthenticatedUsers')
            ? 'authenticated'
            : grant.Grantee?.ID === acl.Owner?.ID
              ? 'owner'
              : 'other';
        return { who, permission: grant.Permission ?? '' };
      });
      return aclToPosix(grants);
    },
    get: async (key, { ifMatch, signal } = {}) => {
      const output = await fetchObject(key, ifMatch, 0, signal);
      const facts = factsOf(key, output);
      const encrypted = output.ServerSideEncryption === 'aws:kms' || output.SSECustomerAlgorithm !== undefined;
      const openFrom = async (offset: number): Promise<Readable> =>
        (await fetchObject(key, facts.etag, offset, signal)).Body as Readable;
      const body = verifiedStream(
        output.Body as Readable,
        facts.size,
        md5OfEtag(facts.etag, encrypted),
        openFrom,
        `read ${JSON.stringify(key)}`,
      );
      return { facts, body };
    },
    check: async ({ signal } = {}) => {
      await guarded('reach the bucket', () =>
        client.send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 }), signalOf(signal)),
      );
    },
    close: () => client.destroy(),
  };
};

/** Writing to a bucket: the demo's changes, test data, and the reference file manager's backup storage. */
export type BucketWriter = {
  create(): Promise<void>;
  put(
    key: string,
    body: Buffer | Readable,
    options?: { length?: number; metadata?: Record<string, string> },
  ): Promise<void>;
  copy(from: string, to: string): Promise<boolean>;
  delete(key: string): Promise<void>;
  close(): void;
};

export const createBucketWriter = (options: BucketOptions): BucketWriter => {
  const client = clientOf(options);
  const Bucket = options.bucket;
  const guarded = async (what: string, call: () => Promise<unknown>): Promise<void> => {
    try {
      await call();
    } catch (error) {
      throw asBucketError(error, what, Bucket);
    }
  };
  return {
    create: async () => {
      try {
        await client.send(new CreateBucketCommand({ Bucket }));
      } catch (error) {
        if (!(error instanceof Error && /BucketAlready(OwnedByYou|Exists)/.test(error.name)))
          throw asBucketError(error, 'create the bucket', Bucket);
      }
    },
    put: (key, body, { length, metadata } = {}) =>
      guarded(`write ${JSON.stringify(key)}`, () =>
        client.send(
          new PutObjectCommand({
            Bucket,
            Key: key,
            Body: body,
            ...(length !== undefined && { ContentLength: length }),
            ...(metadata && { Metadata: metadata }),
          }),
        ),
      ),
    copy: async (from, to) => {
      try {
        await guarded(`copy ${JSON.stringify(from)}`, () =>
          client.send(new CopyObjectCommand({ Bucket, Key: to, CopySource: `${Bucket}/${encodeURIComponent(from)}` })),
        );
        return true;
      } catch (error) {
        if (error instanceof SupersededError) return false;
        throw error;
      }
    },
    delete: (key) =>
      guarded(`delete ${JSON.stringify(key)}`, () => client.send(new DeleteObjectCommand({ Bucket, Key: key }))),
    close: () => client.destroy(),
  };
};
