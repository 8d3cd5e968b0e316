/**
 * Prepares the compose stack, once and repeatably: the customer's bucket with the sample files, its webhook
 * notification, the target bucket, and the Pub/Sub topic with its subscription. Arguments: the folder of sample files.
 */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import {
  BucketAlreadyOwnedByYou,
  CreateBucketCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';

const setting = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: docker-compose.yml sets it`);
  return value;
};

const connect = (side: 'CUSTOMER' | 'BACKUP'): { client: S3Client; bucket: string } => ({
  client: new S3Client({
    endpoint: setting(`${side}_S3_ENDPOINT`),
    region: setting(`${side}_S3_REGION`),
    forcePathStyle: true,
    credentials: {
      accessKeyId: setting(`${side}_S3_ACCESS_KEY`),
      secretAccessKey: setting(`${side}_S3_SECRET_KEY`),
    },
  }),
  bucket: setting(`${side}_S3_BUCKET`),
});

const createBucket = async ({ client, bucket }: { client: S3Client; bucket: string }): Promise<void> => {
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  } catch (error) {
    if (!(error instanceof BucketAlreadyOwnedByYou)) throw error;
  }
};

const upload = async (client: S3Client, bucket: string, folder: string): Promise<number> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files) {
    const { size, mode } = await stat(file);
    await client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: relative(folder, file).split(sep).join('/'),
        Body: createReadStream(file),
        ContentLength: size,
        Metadata: { 'file-permissions': (mode & 0o7777).toString(8).padStart(4, '0') },
      }),
    );
  }
  return files.length;
};

const notify = (client: S3Client, bucket: string, arn: string): Promise<unknown> =>
  client.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: bucket,
      NotificationConfiguration: {
        QueueConfigurations: [{ QueueArn: arn, Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'] }],
      },
    }),
  );

/** The emulator's REST interface; 409 means that it is there already. */
const createInPubsub = async (path: string, body: Readonly<Record<string, unknown>>): Promise<void> => {
  const url = `http://${setting('PUBSUB_EMULATOR_HOST')}/v1/projects/${setting('PUBSUB_PROJECT')}/${path}`;
  const response = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  if (!response.ok && response.status !== 409) throw new Error(`${url} answered ${response.status}`);
};

const folder = process.argv[2];
if (folder === undefined) throw new Error('name the folder of sample files');

const customer = connect('CUSTOMER');
await createBucket(customer);
await createBucket(connect('BACKUP'));
const arn = process.env['NOTIFICATION_ARN'];
// Before the upload, so that the samples arrive as events too.
if (arn) await notify(customer.client, customer.bucket, arn);
const topic = setting('PUBSUB_TOPIC');
await createInPubsub(`topics/${topic}`, {});
await createInPubsub(`subscriptions/${setting('PUBSUB_SUBSCRIPTION')}`, {
  topic: `projects/${setting('PUBSUB_PROJECT')}/topics/${topic}`,
  ackDeadlineSeconds: 60,
  enableMessageOrdering: true,
});
console.log(`${await upload(customer.client, customer.bucket, folder)} sample files are in ${customer.bucket}`);
