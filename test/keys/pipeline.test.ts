import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  CreateBucketCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import test, { type ExecutionContext } from 'ava';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { startFileManager } from '../../src/file-manager/server.ts';
import { scanBucket } from '../../src/scan/scan.ts';
import { createFileSource } from '../../src/sources/file.ts';
import { createHttpSource } from '../../src/sources/http.ts';
import { createSqsSource } from '../../src/sources/sqs.ts';
import { ensureQueue } from '../../src/sources/sqs-client.ts';
import { createSqsPublisher } from '../../src/sources/sqs-publisher.ts';
import { type Access, awsOptions, type Service, startService } from '../providers/support.ts';
import { startFauxqsServer } from '../support/fauxqs.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { minioWebhookArn, startMinio } from '../support/minio.ts';
import { installedTest, serverTest, uniqueName } from '../support/servers.ts';
import { contentOf, type Key, keys } from './keys.ts';

const namesOf = (some: readonly Key[]): string[] => some.map(({ name }) => name);

const startDisk = async (t: ExecutionContext) => {
  const root = await freshFolder();
  const server = await startFileManager({ root, host: '127.0.0.1', port: 0, trashRetentionMs: 0 });
  t.teardown(async () => {
    await server.close();
    await removeFolder(root);
  });
  return { root, client: createFileManagerClient({ baseUrl: server.url }) };
};

/**
 * Stores what the bucket takes. A server's own limits on keys are no failure: the keys that it refuses come back, as far
 * as they would be refused here too, to be told of without being there. `renamed` are those that it stores as others.
 */
const storeAll = async (
  client: S3Client,
  Bucket: string,
  renamed: (one: Key) => boolean = () => false,
): Promise<{ stored: Key[]; told: Key[] }> => {
  const stored: Key[] = [];
  const unstorable: Key[] = [];
  for (const one of keys) {
    if (renamed(one)) {
      unstorable.push(one);
      continue;
    }
    const answer = client.send(new PutObjectCommand({ Bucket, Key: one.key, Body: Buffer.from(contentOf(one)) }));
    await answer.then(
      () => stored.push(one),
      () => unstorable.push(one),
    );
  }
  return { stored, told: unstorable.filter(({ refused }) => refused !== undefined) };
};

/** The notification that AWS would send about a key, for keys that no server here stores. */
const notificationOf = (bucket: string, one: Key) => ({
  Records: [
    {
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      eventTime: '2026-03-14T09:26:53.589Z',
      eventName: 'ObjectCreated:Put',
      responseElements: { 'x-amz-request-id': 'C3D13FE58DE4C810' },
      s3: {
        bucket: { name: bucket },
        object: {
          key: encodeURIComponent(one.key).replaceAll('%20', '+'),
          size: Buffer.byteLength(contentOf(one)),
          eTag: createHash('md5').update(contentOf(one)).digest('hex'),
          sequencer: '0055AED6DCD90281E5',
        },
      },
    },
  ],
});

/** Carries all over, and holds disk, listing and quarantine against the keys that were stored or told of. */
const arriveOnDisk = async (t: ExecutionContext, service: Service, told: readonly Key[], stored: readonly Key[]) => {
  const { root, client } = await startDisk(t);
  const placed = stored.filter(({ refused }) => refused === undefined);
  const { report } = await service.cycle(client);
  t.deepEqual([report.status, report.failures], ['done', []], JSON.stringify(report));
  const listing = new Map<string, number>();
  for await (const { path, size } of client.list()) listing.set(path, size);
  t.deepEqual(namesOf(placed.filter(({ key }) => !listing.has(key))), [], 'keys that are not on the disk');
  const wanted = new Set(placed.map(({ key }) => key));
  t.deepEqual(
    [...listing.keys()].filter((path) => !wanted.has(path)),
    [],
    'paths that are no key',
  );
  for (const one of placed) {
    t.is(listing.get(one.key), Buffer.byteLength(contentOf(one)), one.name);
    if (!one.key.endsWith('/')) t.is(await readFile(join(root, one.key), 'utf8'), contentOf(one), one.name);
  }
  const entries = await service.workspace.log.database.all<{ reason: string }>('SELECT reason FROM quarantine');
  const refused = told.filter((one) => one.refused !== undefined);
  const without = refused.filter(
    ({ refused: reason }) => !entries.some((entry) => new RegExp(reason as string).test(entry.reason)),
  );
  t.deepEqual(namesOf(without), [], 'keys that are not in quarantine with their reason');
  t.is(entries.length, refused.length);
  const again = await service.cycle(client);
  t.is(again.plan.steps.length, 0, 'a second cycle has nothing to do');
};

const listingAgrees = async (t: ExecutionContext, { workspace, bucket }: Service): Promise<void> => {
  const scan = await scanBucket({ workspace, bucket, metadata: false, dryRun: true });
  t.like(scan, { missing: 0, stale: 0, complete: true }, "the bucket's own listing reads the same keys");
};

const connect = (t: ExecutionContext, access: Access): S3Client => {
  const client = new S3Client(awsOptions(access));
  t.teardown(() => client.destroy());
  return client;
};

installedTest('minio', 'hostile keys go from a MinIO bucket to the disk and back', async (t) => {
  const source = await createHttpSource({ host: '127.0.0.1', port: 0, webhook: 'unauthenticated' });
  const minio = await startMinio({ webhook: { endpoint: `${source.url}/webhook` } });
  t.teardown(() => minio.stop());
  const client = connect(t, minio);
  const Bucket = uniqueName('bucket');
  await client.send(new CreateBucketCommand({ Bucket }));
  const service = await startService(t, source, minio, Bucket);
  const QueueConfigurations = [{ QueueArn: minioWebhookArn, Events: ['s3:ObjectCreated:*' as const] }];
  await client.send(
    new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration: { QueueConfigurations } }),
  );
  const { stored, told } = await storeAll(client, Bucket, ({ key }) => key.startsWith('/'));
  t.log('not stored by MinIO:', namesOf(keys.filter((one) => !stored.includes(one))).join(', '));
  t.true(stored.length >= 70);
  for (const one of told) {
    const body = JSON.stringify(notificationOf(Bucket, one));
    t.is((await fetch(`${source.url}/webhook`, { method: 'POST', body })).status, 204);
  }
  await service.messages(stored.length + told.length);
  await listingAgrees(t, service);
  await arriveOnDisk(t, service, keys, stored);
});

serverTest(
  'localstack',
  'hostile keys go from a LocalStack bucket through its queue to the disk',
  async (t, localstack) => {
    const { credentials, endpoint, region } = awsOptions(localstack);
    const queueName = uniqueName('queue');
    const queueUrl = await ensureQueue({ endpoint, region, credentials, queueName });
    const client = connect(t, localstack);
    const Bucket = uniqueName('bucket');
    await client.send(new CreateBucketCommand({ Bucket }));
    const source = createSqsSource({ queueUrl, endpoint, region, credentials, pollers: 1 });
    const service = await startService(t, source, localstack, Bucket);
    const QueueArn = `arn:aws:sqs:${region}:000000000000:${queueName}`;
    const QueueConfigurations = [{ QueueArn, Events: ['s3:ObjectCreated:*' as const] }];
    await client.send(
      new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration: { QueueConfigurations } }),
    );
    const { stored, told } = await storeAll(client, Bucket);
    t.log('not stored by LocalStack:', namesOf(keys.filter((one) => !stored.includes(one))).join(', '));
    const publisher = createSqsPublisher({ queueUrl, endpoint, region, credentials });
    t.teardown(() => publisher.close());
    await publisher.publish(
      told.map((one) => ({ attributes: {}, body: Buffer.from(JSON.stringify(notificationOf(Bucket, one))) })),
    );
    await service.messages(stored.length + told.length + 1);
    await listingAgrees(t, service);
    await arriveOnDisk(t, service, keys, stored);
  },
);

test('hostile keys go from the embedded bucket through its listing to the disk', async (t) => {
  t.timeout(120_000);
  const s3 = await startFauxqsServer();
  t.teardown(() => s3.stop());
  const client = connect(t, s3);
  const Bucket = uniqueName('bucket');
  await client.send(new CreateBucketCommand({ Bucket }));
  // Its listing does not encode keys, and XML takes a CR for an LF.
  const { stored } = await storeAll(client, Bucket, ({ key }) => key.includes('\r'));
  t.log('not stored by fauxqs:', namesOf(keys.filter((one) => !stored.includes(one))).join(', '));
  t.true(stored.length >= 70);
  const empty = createFileSource({
    stream: Readable.from([]),
    name: 'empty',
    toMessage: (body) => ({ body, attributes: {} }),
  });
  const service = await startService(t, empty, s3, Bucket);
  const { workspace, bucket } = service;
  const scan = await scanBucket({ workspace, bucket, metadata: true });
  t.is(scan.unrepresentable, stored.filter(({ refused }) => refused !== undefined).length);
  await arriveOnDisk(t, service, stored, stored);
});

test('no two keys of the fixture are one file on a disk', (t) => {
  const places = keys.filter(({ refused }) => refused === undefined).map(({ key }) => join('/root', key));
  t.is(new Set(places).size, places.length);
});
