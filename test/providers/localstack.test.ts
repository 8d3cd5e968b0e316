import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { ExecutionContext } from 'ava';
import { createSqsSource } from '../../src/sources/sqs.ts';
import { ensureQueue } from '../../src/sources/sqs-client.ts';
import type { Localstack } from '../support/localstack.ts';
import { serverTest, uniqueName } from '../support/servers.ts';
import { awsOptions, contents, listed, startService } from './support.ts';

/** A bucket of a real LocalStack that notifies a queue, and the service at the queue's other end. */
const connected = async (
  t: ExecutionContext,
  localstack: Localstack,
  environment: Readonly<Record<string, string>> = {},
) => {
  const { credentials, endpoint, region } = awsOptions(localstack);
  const queueName = uniqueName('queue');
  const queueUrl = await ensureQueue({ endpoint, region, credentials, queueName });
  const client = new S3Client({ ...awsOptions(localstack), requestChecksumCalculation: 'WHEN_REQUIRED' });
  t.teardown(() => client.destroy());
  const Bucket = uniqueName('bucket');
  await client.send(new CreateBucketCommand({ Bucket }));
  const source = createSqsSource({ queueUrl, endpoint, region, credentials, pollers: 1 });
  const service = await startService(t, source, localstack, Bucket, environment);
  await client.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket,
      NotificationConfiguration: {
        QueueConfigurations: [
          {
            QueueArn: `arn:aws:sqs:${region}:000000000000:${queueName}`,
            Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*', 's3:ObjectAcl:Put', 's3:ObjectTagging:*'],
          },
        ],
      },
    }),
  );
  // The test event that a new configuration sends.
  let sent = 1;
  await service.messages(sent);
  const after = async <T>(work: Promise<T>, messages = 1): Promise<T> => {
    const result = await work;
    sent += messages;
    await service.messages(sent);
    return result;
  };
  const put = (Key: string, Body: string, Metadata: Record<string, string> = {}) =>
    after(client.send(new PutObjectCommand({ Bucket, Key, Body, Metadata })));
  return { client, service, Bucket, after, put };
};

serverTest(
  'localstack',
  'what happens in an S3 bucket stands in the file table, as its queue told',
  async (t, localstack) => {
    const { client, service, Bucket, after, put } = await connected(t, localstack);
    t.like(service.consumed(), { messages: 1, ignored: 1 }, 'the test event of the notification');
    await put('plan.md', 'one');
    await put('plan.md', 'another one');
    await put('my folder/a+b %2B ü 📷.txt', 'x');
    await put('folder/', '');
    await after(client.send(new CopyObjectCommand({ Bucket, Key: 'copy.md', CopySource: `${Bucket}/plan.md` })));
    const target = { Bucket, Key: 'parts' };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
    const Parts = [];
    for (const [at, Body] of [Buffer.alloc(5 * 1_048_576, 'a'), Buffer.from('end')].entries()) {
      const { ETag } = await client.send(new UploadPartCommand({ ...target, UploadId, PartNumber: at + 1, Body }));
      Parts.push({ PartNumber: at + 1, ETag });
    }
    await after(client.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } })));
    const all = await service.files();
    t.is(Object.keys(all).length, 5);
    t.deepEqual(contents(all), await listed(service.bucket));
    t.is(all['plan.md']?.permissions, null);

    await after(client.send(new PutObjectAclCommand({ Bucket, Key: 'plan.md', ACL: 'public-read' })));
    const shared = await service.files();
    t.deepEqual(shared['plan.md'], { ...all['plan.md'], permissions: '0644' }, 'and the content is as it was');

    const { appended } = service.consumed();
    const Tagging = { TagSet: [{ Key: 'a', Value: 'b' }] };
    await after(client.send(new PutObjectTaggingCommand({ Bucket, Key: 'plan.md', Tagging })));
    t.is(service.consumed().appended, appended, 'a tag is no event');

    await after(client.send(new DeleteObjectCommand({ Bucket, Key: 'plan.md' })));
    await after(client.send(new DeleteObjectCommand({ Bucket, Key: 'folder/' })));
    const left = await service.files();
    t.deepEqual(Object.keys(left), ['copy.md', 'my folder/a+b %2B ü 📷.txt', 'parts']);
    t.deepEqual(contents(left), await listed(service.bucket));
    t.like(service.consumed(), { quarantined: 0, duplicates: 0 });
  },
);

serverTest(
  'localstack',
  'permissions in metadata come before those of an ACL, and change without new content',
  async (t, localstack) => {
    const { client, service, Bucket, after, put } = await connected(t, localstack);
    await put('a', 'one', { mode: '33188' });
    t.is((await service.files()).a?.permissions, null, "a new file's are read together with its content");
    const copied = { Bucket, Key: 'a', CopySource: `${Bucket}/a`, MetadataDirective: 'REPLACE' } as const;
    await after(client.send(new CopyObjectCommand({ ...copied, Metadata: { mode: '33152' } })));
    t.is((await service.files()).a?.permissions, '0600');
    await after(client.send(new PutObjectAclCommand({ Bucket, Key: 'a', ACL: 'public-read' })));
    t.is((await service.files()).a?.permissions, '0600');
    await put('a', 'other content', { mode: '33261' });
    t.is((await service.files()).a?.permissions, '0755');
    await put('a', 'other content still');
    t.is((await service.files()).a?.permissions, '0755', 'content without permissions keeps those that are known');
  },
);

serverTest('localstack', 'with a mapping of ACLs each new object is asked for its own', async (t, localstack) => {
  const mapping = 'public-read=0444,private=,custom=0640';
  const { client, service, Bucket, after, put } = await connected(t, localstack, { ACL_PERMISSIONS: mapping });
  await put('private', 'one');
  await after(client.send(new PutObjectCommand({ Bucket, Key: 'public', Body: 'two', ACL: 'public-read' })));
  await after(
    client.send(
      new PutObjectCommand({ Bucket, Key: 'both', Body: 'two', ACL: 'public-read', Metadata: { mode: '33200' } }),
    ),
  );
  const files = await service.files();
  t.deepEqual(
    Object.values(files).map(({ permissions }) => permissions),
    ['0660', null, '0444'],
  );
});

serverTest(
  'localstack',
  'a versioned S3 bucket is asked what stands behind a delete, and the answer counts',
  async (t, localstack) => {
    const { client, service, Bucket, after, put } = await connected(t, localstack);
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    const remove = (VersionId?: string) =>
      after(client.send(new DeleteObjectCommand({ Bucket, Key: 'v', ...(VersionId !== undefined && { VersionId }) })));
    const same = async (title: string): Promise<void> =>
      void t.deepEqual(contents(await service.files()), await listed(service.bucket), title);
    const one = await put('v', '1');
    const two = await put('v', '22');
    await remove(one.VersionId);
    await same('an old version deleted');
    const marker = await remove();
    await same('a marker');
    await remove(marker.VersionId);
    await same('the marker deleted');
    await put('v', '333');
    await same('a new version');
    await remove(two.VersionId);
    await same('another old version deleted');
    t.is((await service.files()).v?.size, 3);
  },
);
