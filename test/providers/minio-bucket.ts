import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { ExecutionContext } from 'ava';
import { createHttpSource } from '../../src/sources/http.ts';
import { minioWebhookArn, startMinio } from '../support/minio.ts';
import { uniqueName } from '../support/servers.ts';
import { awsOptions, startService } from './support.ts';

const token = 'webhook-token';

/** A bucket of a real MinIO whose webhook is the service's receiver, and steps that wait for their messages. */
export const connected = async (t: ExecutionContext, environment: Readonly<Record<string, string>> = {}) => {
  const source = await createHttpSource({ host: '127.0.0.1', port: 0, webhook: { token } });
  const recorded: string[] = [];
  const listening = {
    ...source,
    receive: async (...how: Parameters<typeof source.receive>) => {
      const deliveries = await source.receive(...how);
      recorded.push(...deliveries.map(({ message }) => message.body.toString('utf8')));
      return deliveries;
    },
  };
  const minio = await startMinio({
    webhook: { endpoint: `${source.url}/webhook`, authToken: `Bearer ${token}` },
  });
  t.teardown(() => minio.stop());
  const client = new S3Client(awsOptions(minio));
  t.teardown(() => client.destroy());
  const Bucket = uniqueName('bucket');
  await client.send(new CreateBucketCommand({ Bucket }));
  const service = await startService(t, listening, minio, Bucket, environment);
  await client.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket,
      NotificationConfiguration: {
        QueueConfigurations: [{ QueueArn: minioWebhookArn, Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'] }],
      },
    }),
  );
  let sent = 0;
  /** Does something to the bucket, and waits until the service has taken in the messages about it. */
  const after = async <T>(work: Promise<T>, messages = 1): Promise<T> => {
    const result = await work;
    sent += messages;
    await service.messages(sent);
    return result;
  };
  const put = (Key: string, Body: string, Metadata: Record<string, string> = {}) =>
    after(client.send(new PutObjectCommand({ Bucket, Key, Body, Metadata })));
  const remove = (Key: string, VersionId?: string) =>
    after(client.send(new DeleteObjectCommand({ Bucket, Key, ...(VersionId !== undefined && { VersionId }) })));
  const versioning = (Status: 'Enabled' | 'Suspended') =>
    client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }));
  /** `recorded`: the bodies of all messages so far. */
  return { client, service, recorded, Bucket, after, put, remove, versioning };
};
