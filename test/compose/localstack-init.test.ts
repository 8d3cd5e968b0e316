import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DeleteObjectCommand, PutObjectAclCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetQueueAttributesCommand, GetQueueUrlCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { serverTest, uniqueName } from '../support/servers.ts';
import { root } from './stack.ts';

const run = promisify(execFile);
const script = join(root, 'localstack', 'init', 'create-bucket-and-queue.py');

serverTest(
  'localstack',
  "LocalStack's init script makes a bucket whose changes arrive in the queue",
  async (t, server) => {
    const bucket = uniqueName('init');
    const queue = uniqueName('events');
    const env = { ...process.env, AWS_ENDPOINT_URL: server.url, CUSTOMER_S3_BUCKET: bucket, SQS_QUEUE: queue };
    await run(server.python, [script], { env, timeout: 60_000 });
    await run(server.python, [script], { env, timeout: 60_000 });

    const client = {
      endpoint: server.url,
      region: server.region,
      credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    };
    const s3 = new S3Client({ ...client, forcePathStyle: true });
    const sqs = new SQSClient(client);
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: queue }));
    const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
    const redrive = JSON.parse(Attributes?.['RedrivePolicy'] ?? '{}') as Record<string, unknown>;
    t.regex(String(redrive['deadLetterTargetArn']), new RegExp(`:${queue}-dead$`));
    t.is(Number(redrive['maxReceiveCount']), 10, 'as docs/sources.md asks for');

    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'a', Body: 'hello' }));
    await s3.send(new PutObjectAclCommand({ Bucket: bucket, Key: 'a', ACL: 'public-read' }));
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'a' }));
    const wanted = ['ObjectAcl:Put', 'ObjectCreated:Put', 'ObjectRemoved:Delete'];
    const seen = new Set<string>();
    for (let polls = 0; polls < 20 && seen.size < wanted.length; polls++) {
      const answer = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 2 }),
      );
      for (const message of answer.Messages ?? []) {
        const body = JSON.parse(message.Body as string) as { Records?: { eventName: string }[] };
        for (const record of body.Records ?? []) seen.add(record.eventName);
      }
    }
    t.deepEqual([...seen].sort(), wanted);
    s3.destroy();
    sqs.destroy();
  },
);
