import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { ExecutionContext } from 'ava';
import { createBucket } from '../../src/bucket/s3.ts';
import { ConfigError, SupersededError } from '../../src/errors.ts';
import { serverTest } from '../support/servers.ts';
import { type Access, freshBucket } from './support.ts';

/** The SDK itself, for what only a test does to a bucket. */
const sdk = (t: ExecutionContext, { url, region, accessKey, secretKey }: Access): S3Client => {
  const client = new S3Client({
    endpoint: url,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
  t.teardown(() => client.destroy());
  return client;
};

serverTest(
  'minio',
  'a versioned bucket shows its newest version, and nothing behind a delete marker',
  async (t, access) => {
    const { bucket, writer, options } = await freshBucket(t, access);
    const client = sdk(t, access);
    const Bucket = options.bucket;
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
    await writer.put('a', Buffer.from('one'));
    const first = await bucket.head('a');
    await writer.put('a', Buffer.from('two'));
    const second = await bucket.head('a');
    t.truthy(first?.versionId);
    t.not(first?.versionId, second?.versionId);
    await writer.delete('a');
    t.is(await bucket.head('a'), undefined);
    await t.throwsAsync(bucket.get('a', { ifMatch: second?.etag as string }), { instanceOf: SupersededError });
    const { DeleteMarkers } = await client.send(new ListObjectVersionsCommand({ Bucket }));
    await client.send(
      new DeleteObjectCommand({ Bucket, Key: 'a', VersionId: DeleteMarkers?.[0]?.VersionId as string }),
    );
    t.is((await bucket.head('a'))?.versionId, second?.versionId);
    t.is(await text((await bucket.get('a')).body), 'two');
  },
);

serverTest('minio', 'wrong credentials are said with their settings, and never printed', async (t, access) => {
  const { options } = await freshBucket(t, access);
  for (const wrong of [{ accessKey: 'nobody' }, { secretKey: 'not-the-secret' }]) {
    const bucket = createBucket({ ...options, ...wrong });
    const error = await t.throwsAsync(bucket.check(), {
      instanceOf: ConfigError,
      message: /CUSTOMER_S3_ACCESS_KEY and CUSTOMER_S3_SECRET_KEY/,
    });
    t.notRegex(error?.message ?? '', /not-the-secret|tests-secret-key/);
    bucket.close();
  }
});

serverTest('minio', 'an ACL that MinIO reports is the private one', async (t, access) => {
  const { bucket, writer } = await freshBucket(t, access);
  await writer.put('a', Buffer.from('one'));
  t.is(await bucket.aclPermissions('a'), '0600');
  t.is(await bucket.aclPermissions('missing'), undefined);
});

serverTest('minio', 'objects are verified by the checksum that they were uploaded with', async (t, access) => {
  const { bucket, options } = await freshBucket(t, access);
  const client = sdk(t, access);
  const content = randomBytes(100_000).toString('base64');
  for (const [algorithm, expected] of [
    ['CRC64NVME', 'crc64nvme'],
    ['CRC32C', 'crc32c'],
    ['CRC32', 'crc32'],
    ['SHA1', 'sha1'],
    ['SHA256', 'sha256'],
  ] as const) {
    await client.send(
      new PutObjectCommand({ Bucket: options.bucket, Key: algorithm, Body: content, ChecksumAlgorithm: algorithm }),
    );
    const { body, verification } = await bucket.get(algorithm);
    t.is(verification, expected);
    t.is(await text(body), content);
  }
});
