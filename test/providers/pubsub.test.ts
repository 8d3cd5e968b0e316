import { createHash } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import type { Message } from '../../events/message.ts';
import { createBucketWriter } from '../../src/bucket/s3.ts';
import { createHttpSource } from '../../src/sources/http.ts';
import { createPubSubSource } from '../../src/sources/pubsub.ts';
import { createPubSubPublisher, ensurePubSub } from '../../src/sources/pubsub-publisher.ts';
import type { Source } from '../../src/sources/source.ts';
import { startFauxqsServer } from '../support/fauxqs.ts';
import type { PubsubEmulator } from '../support/pubsub-emulator.ts';
import { serverTest, uniqueName } from '../support/servers.ts';
import { contents, listed, startService } from './support.ts';

/** How the service hears of a topic's messages. */
type Delivery = 'pull' | 'push';

const subscribed = async (emulator: PubsubEmulator, topic: string, delivery: Delivery): Promise<Source> => {
  const connection = { project: emulator.projectId, emulatorHost: emulator.host };
  const subscription = uniqueName('subscription');
  if (delivery === 'pull') {
    await ensurePubSub({ ...connection, topic, subscription });
    return createPubSubSource({ ...connection, subscription });
  }
  const source = await createHttpSource({ host: '127.0.0.1', port: 0, push: 'unauthenticated' });
  const names = `${emulator.url}/v1/projects/${emulator.projectId}`;
  const made = await fetch(`${names}/topics/${topic}`, { method: 'PUT' });
  if (!made.ok) throw new Error(await made.text());
  const pushed = await fetch(`${names}/subscriptions/${subscription}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      topic: `projects/${emulator.projectId}/topics/${topic}`,
      pushConfig: { pushEndpoint: `${source.url}/push` },
    }),
  });
  if (!pushed.ok) throw new Error(await pushed.text());
  return source;
};

/** A bucket, a topic that tells of it, and the service that hears it; `say` waits until a message was taken in. */
const connected = async (t: ExecutionContext, emulator: PubsubEmulator, delivery: Delivery) => {
  const s3 = await startFauxqsServer();
  t.teardown(() => s3.stop());
  const bucket = uniqueName('bucket');
  const { url, region, accessKey, secretKey } = s3;
  const writer = createBucketWriter({ endpoint: url, region, accessKey, secretKey, bucket });
  t.teardown(() => writer.close());
  await writer.create();
  const topic = uniqueName('topic');
  const source = await subscribed(emulator, topic, delivery);
  const service = await startService(t, source, s3, bucket);
  const publisher = createPubSubPublisher({ project: emulator.projectId, emulatorHost: emulator.host, topic });
  t.teardown(() => publisher.close());
  let sent = 0;
  const say = async (message: Message): Promise<void> => {
    await publisher.publish([message]);
    sent += 1;
    await service.messages(sent);
  };
  return { service, writer, bucket, say };
};

const at = (second: number): string => `2026-03-14T09:26:${String(second).padStart(2, '0')}.589057Z`;

/** A notification as Cloud Storage publishes it. */
const gcs = (
  bucket: string,
  eventType: string,
  objectId: string,
  generation: number,
  { resource, ...more }: { resource?: Record<string, unknown> } & Record<string, unknown> = {},
): Message => ({
  body: resource
    ? Buffer.from(
        JSON.stringify({ kind: 'storage#object', name: objectId, bucket, generation: String(generation), ...resource }),
      )
    : Buffer.alloc(0),
  attributes: {
    notificationConfig: `projects/_/buckets/${bucket}/notificationConfigs/1`,
    eventType,
    payloadFormat: resource ? 'JSON_API_V1' : 'NONE',
    bucketId: bucket,
    objectId,
    objectGeneration: String(generation),
    eventTime: at(generation % 60),
    ...(more as Record<string, string>),
  },
});

const resourceOf = (text: string, metageneration = 1, metadata?: Record<string, string>) => ({
  metageneration: String(metageneration),
  size: String(Buffer.byteLength(text)),
  md5Hash: createHash('md5').update(text).digest('base64'),
  ...(metadata && { metadata }),
});

for (const delivery of ['pull', 'push'] as const) {
  serverTest('pubsub', `a Cloud Storage bucket is followed through Pub/Sub by ${delivery}`, async (t, emulator) => {
    const { service, writer, bucket, say } = await connected(t, emulator, delivery);
    const same = async (title: string): Promise<void> =>
      void t.deepEqual(contents(await service.files()), await listed(service.bucket), title);
    const put = async (key: string, text: string, generation: number, more: Record<string, unknown> = {}) => {
      await writer.put(key, Buffer.from(text));
      await say(gcs(bucket, 'OBJECT_FINALIZE', key, generation, { resource: resourceOf(text), ...more }));
    };
    await put('a+b %2B ü 📷.txt', 'one', 1);
    await put('plan.md', 'one', 2);
    await put('plan.md', 'another one', 3, { overwroteGeneration: '2' });
    await say(gcs(bucket, 'OBJECT_DELETE', 'plan.md', 2, { overwrittenByGeneration: '3' }));
    await same('an overwrite is a create and a delete that says what overwrote');
    await writer.put('bare', Buffer.from('no payload'));
    await say(gcs(bucket, 'OBJECT_FINALIZE', 'bare', 4));
    await same('without a payload the bucket is asked for size and etag');
    await say(gcs(bucket, 'OBJECT_DELETE', 'plan.md', 1));
    await same('a delete of a generation that was not the newest');
    const before = await service.files();
    const resource = resourceOf('another one', 2, { 'goog-reserved-posix-mode': '640' });
    await say(gcs(bucket, 'OBJECT_METADATA_UPDATE', 'plan.md', 3, { resource }));
    t.deepEqual((await service.files())['plan.md'], { ...before['plan.md'], permissions: '0640' });
    await writer.delete('plan.md');
    await say(gcs(bucket, 'OBJECT_DELETE', 'plan.md', 3, { resource }));
    await same('a delete');
    await say(gcs(bucket, 'OBJECT_FINALIZE', 'plan.md', 2, { resource: resourceOf('one') }));
    await same('a create that comes after the delete of a later generation');
    t.like(service.consumed(), { quarantined: 0, ignored: 1 });
  });

  serverTest('pubsub', `a Storj bucket is followed through Pub/Sub by ${delivery}`, async (t, emulator) => {
    const { service, writer, bucket, say } = await connected(t, emulator, delivery);
    const storj = (eventName: string, key: string, second: number, size?: number): Message => ({
      attributes: {},
      body: Buffer.from(
        JSON.stringify({
          Records: [
            {
              eventVersion: '2.1',
              eventSource: 'storj:s3',
              eventTime: `2026-03-14T09:26:${String(second).padStart(2, '0')}.000Z`,
              eventName,
              userIdentity: {},
              requestParameters: {},
              responseElements: {},
              s3: {
                s3SchemaVersion: '1.0',
                configurationId: 'ObjectEvents',
                bucket: { name: bucket, ownerIdentity: {}, arn: `arn:storj:s3:::${bucket}` },
                object: {
                  key,
                  ...(size && { size }),
                  versionId: `0000000000000001${second}`,
                  sequencer: (0x189c7a5d9e0b4a40n + BigInt(second)).toString(16).toUpperCase(),
                },
              },
            },
          ],
        }),
      ),
    });
    const same = async (title: string): Promise<void> =>
      void t.deepEqual(contents(await service.files()), await listed(service.bucket), title);
    await say({
      attributes: {},
      body: Buffer.from('{"Service":"Storj S3","Event":"s3:TestEvent","Time":"","Bucket":"b"}'),
    });
    const key = 'uploads/a+b 100% %2B ü.mp4';
    await writer.put(key, Buffer.from('one'));
    await say(storj('ObjectCreated:Put', key, 10, 3));
    await same('keys are as they are, and the bucket is asked for the etag');
    await writer.put(key, Buffer.from('another one'));
    await say(storj('ObjectCreated:Put', key, 20, 11));
    await writer.put('empty', Buffer.alloc(0));
    await say(storj('ObjectCreated:Copy', 'empty', 30));
    await same('an overwrite, and an empty object');
    await say(storj('ObjectRemoved:Delete', key, 15));
    await same('a version that was not the newest');
    await writer.delete(key);
    await say(storj('ObjectRemoved:Delete', key, 40));
    await same('a delete');
    t.like(service.consumed(), { quarantined: 0, ignored: 1 });
  });
}
