import type { Readable } from 'node:stream';
import {
  GetObjectAclCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { metadataPermissions } from '../../events/permissions.ts';
import { RetryableError, SupersededError } from '../errors.ts';
import { type AclMapping, aclPermissions, type Grant, granteeOf } from './acl.ts';
import type { Bucket, ObjectFacts } from './bucket.ts';
import { type Expectation, expectationOf } from './checksum.ts';
import { abortable, bareEtag, type Connection, guarded, guardedSmall, isoTime, observedAtOf } from './client.ts';
import type { Asked } from './errors.ts';
import { verifiedStream } from './verified.ts';

const asked = (verb: string, key: string, bucket: string): Asked => ({
  what: `${verb} ${JSON.stringify(key)}`,
  of: 'object',
  bucket,
});

const factsOf = (
  key: string,
  output: Pick<HeadObjectCommandOutput, 'ContentLength' | 'ETag' | 'LastModified' | 'Metadata' | 'VersionId'>,
): ObjectFacts => {
  if (output.ContentLength === undefined)
    throw new RetryableError(`${JSON.stringify(key)}: the bucket does not say how long the object is`);
  const permissions = metadataPermissions(key, output.Metadata);
  return {
    key,
    size: output.ContentLength,
    etag: bareEtag(output.ETag),
    modifiedAt: isoTime(output.LastModified),
    observedAt: observedAtOf(output),
    ...(permissions !== undefined && { permissions }),
    ...(output.VersionId !== undefined && { versionId: output.VersionId }),
  };
};

/** Facts of one object; undefined when there is none. */
export const headOf =
  (client: S3Client, connection: Connection): Bucket['head'] =>
  async (key, { signal } = {}) => {
    const { bucket } = connection;
    try {
      const output = await guardedSmall(asked('ask about', key, bucket), connection, signal, (options) =>
        client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), options),
      );
      return factsOf(key, output);
    } catch (error) {
      if (error instanceof SupersededError) return undefined;
      throw error;
    }
  };

/** Permissions from the ACL; undefined when the object is gone, or the mapping says nothing of such an ACL. */
export const aclOf =
  (client: S3Client, connection: Connection, mapping: AclMapping | undefined): Bucket['aclPermissions'] =>
  async (key, { signal } = {}) => {
    const { bucket } = connection;
    try {
      const acl = await guardedSmall(asked('read the ACL of', key, bucket), connection, signal, (options) =>
        client.send(new GetObjectAclCommand({ Bucket: bucket, Key: key }), options),
      );
      const grants = (acl.Grants ?? []).map(
        ({ Grantee, Permission }): Grant => ({
          who: granteeOf(Grantee?.URI, Grantee?.ID, acl.Owner?.ID),
          permission: Permission ?? '',
        }),
      );
      return aclPermissions(grants, mapping);
    } catch (error) {
      if (error instanceof SupersededError) return undefined;
      throw error;
    }
  };

const expectationIn = (output: GetObjectCommandOutput): Expectation =>
  expectationOf({
    etag: bareEtag(output.ETag),
    checksums: {
      sha256: output.ChecksumSHA256,
      sha1: output.ChecksumSHA1,
      crc64nvme: output.ChecksumCRC64NVME,
      crc32c: output.ChecksumCRC32C,
      crc32: output.ChecksumCRC32,
    },
    checksumType: output.ChecksumType,
    encryption: output.ServerSideEncryption,
    customerKey: output.SSECustomerAlgorithm !== undefined,
  });

/**
 * Opens an object under `If-Match`. A download that breaks off goes on with Range under the etag of its first answer; an
 * answer that starts anywhere else than asked is refused, so content is never mixed.
 */
export const getOf =
  (client: S3Client, { bucket, silenceMsMax }: Connection): Bucket['get'] =>
  async (key, { ifMatch, signal } = {}) => {
    const about = asked('read', key, bucket);
    const fetchFrom = (offset: number, etag: string | undefined) =>
      guarded(about, () =>
        client.send(
          new GetObjectCommand({
            Bucket: bucket,
            Key: key,
            ...(etag !== undefined && { IfMatch: `"${etag}"` }),
            ...(offset > 0 && { Range: `bytes=${offset}-` }),
          }),
          abortable(signal),
        ),
      );
    const output = await fetchFrom(0, ifMatch);
    const first = output.Body as Readable;
    const facts = (() => {
      try {
        return factsOf(key, output);
      } catch (error) {
        first.on('error', () => undefined).destroy();
        throw error;
      }
    })();
    const openFrom = async (offset: number): Promise<Readable> => {
      const rest = await fetchFrom(offset, facts.etag);
      const body = rest.Body as Readable;
      if (rest.ContentRange?.startsWith(`bytes ${offset}-`)) return body;
      body.on('error', () => undefined).destroy();
      throw new RetryableError(`${about.what}: the bucket does not continue where it was asked to`);
    };
    const expectation = expectationIn(output);
    const body = verifiedStream({
      first,
      length: facts.size,
      expectation,
      openFrom,
      what: about.what,
      ...(silenceMsMax !== undefined && { silenceMsMax }),
    });
    return { facts, body, verification: expectation.by };
  };
