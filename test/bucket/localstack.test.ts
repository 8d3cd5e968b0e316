import { text } from 'node:stream/consumers';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { ExecutionContext } from 'ava';
import { parseAclMapping } from '../../src/bucket/acl.ts';
import { UnreadableError } from '../../src/bucket/errors.ts';
import { createBucket } from '../../src/bucket/s3.ts';
import { serverTest } from '../support/servers.ts';
import { type Access, freshBucket } from './support.ts';

const sdk = (t: ExecutionContext, { url, region, accessKey, secretKey }: Access): S3Client => {
  const client = new S3Client({
    endpoint: url,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  t.teardown(() => client.destroy());
  return client;
};

serverTest('localstack', 'canned ACLs become permissions, by default and by a mapping', async (t, access) => {
  const { bucket, writer, options } = await freshBucket(t, access);
  const client = sdk(t, access);
  const mapped = createBucket({ ...options, aclMapping: parseAclMapping('public-read=0444,private=') });
  t.teardown(() => mapped.close());
  await writer.put('a', Buffer.from('one'));
  const seen: unknown[] = [];
  for (const ACL of ['private', 'authenticated-read', 'public-read', 'public-read-write'] as const) {
    await client.send(new PutObjectAclCommand({ Bucket: options.bucket, Key: 'a', ACL }));
    seen.push([ACL, await bucket.aclPermissions('a'), await mapped.aclPermissions('a')]);
  }
  t.deepEqual(seen, [
    ['private', '0600', undefined],
    ['authenticated-read', '0640', '0640'],
    ['public-read', '0644', '0444'],
    ['public-read-write', '0666', '0666'],
  ]);
  t.is(await text((await bucket.get('a')).body), 'one');
});

serverTest('localstack', 'an archived object is unreadable, and says that it must be restored', async (t, access) => {
  const { bucket, options } = await freshBucket(t, access);
  const client = sdk(t, access);
  await client.send(new PutObjectCommand({ Bucket: options.bucket, Key: 'cold', Body: 'x', StorageClass: 'GLACIER' }));
  t.is((await bucket.head('cold'))?.size, 1);
  await t.throwsAsync(bucket.get('cold'), { instanceOf: UnreadableError, message: /archived/ });
});

serverTest('localstack', "a multipart upload's etag proves nothing, and that is said", async (t, access) => {
  const { bucket, options } = await freshBucket(t, access);
  const client = sdk(t, access);
  const target = { Bucket: options.bucket, Key: 'parts' };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
  const parts = [Buffer.alloc(5 * 1_048_576, 'a'), Buffer.from('end')];
  const Parts = [];
  for (const [at, Body] of parts.entries()) {
    const { ETag } = await client.send(new UploadPartCommand({ ...target, UploadId, PartNumber: at + 1, Body }));
    Parts.push({ PartNumber: at + 1, ETag });
  }
  await client.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }));
  const { facts, body, verification } = await bucket.get('parts');
  t.regex(facts.etag, /^[0-9a-f]{32}-2$/);
  t.is((await text(body)).length, facts.size);
  t.true(['unverified', 'crc64nvme'].includes(verification), verification);
});
