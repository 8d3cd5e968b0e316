import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { available } from '../support/installed.ts';
import { startMinio } from '../support/minio.ts';
import { serverTest, uniqueName } from '../support/servers.ts';
import { environmentOf, readStack, root, serviceOf } from './stack.ts';

const run = promisify(execFile);

if (available('minio')) {
  serverTest(
    'pubsub',
    "the sample loader makes the stack's buckets, topic and subscription, twice over",
    async (t, pubsub) => {
      // Nobody listens yet: in the stack too, the customer's bucket is up before the service that it notifies.
      const minio = await startMinio({ webhook: { endpoint: 'http://127.0.0.1:1/' } });
      const samples = await mkdtemp(join(tmpdir(), 's3-sync-samples-'));
      t.teardown(async () => {
        await minio.stop();
        await rm(samples, { recursive: true });
      });
      await mkdir(join(samples, 'photos'));
      await writeFile(join(samples, 'photos', 'a b.txt'), 'hello');
      await chmod(join(samples, 'photos', 'a b.txt'), 0o640);

      const stackEnv = environmentOf(serviceOf(readStack(), 'load-samples'));
      const topic = uniqueName('topic');
      const env = {
        ...process.env,
        ...stackEnv,
        CUSTOMER_S3_ENDPOINT: minio.url,
        CUSTOMER_S3_ACCESS_KEY: minio.accessKey,
        CUSTOMER_S3_SECRET_KEY: minio.secretKey,
        BACKUP_S3_ENDPOINT: minio.url,
        BACKUP_S3_ACCESS_KEY: minio.accessKey,
        BACKUP_S3_SECRET_KEY: minio.secretKey,
        PUBSUB_EMULATOR_HOST: pubsub.host,
        PUBSUB_TOPIC: topic,
      };
      const load = () =>
        run(process.execPath, [join(root, 'scripts', 'load-samples.ts'), samples], { env, timeout: 60_000 });
      await load();
      await load();

      const s3 = new S3Client({
        endpoint: minio.url,
        region: minio.region,
        forcePathStyle: true,
        credentials: { accessKeyId: minio.accessKey, secretAccessKey: minio.secretKey },
      });
      const Bucket = stackEnv['CUSTOMER_S3_BUCKET'];
      const listing = await s3.send(new ListObjectsV2Command({ Bucket }));
      t.deepEqual(
        listing.Contents?.map((object) => object.Key),
        ['photos/a b.txt'],
      );
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'photos/a b.txt' }));
      t.is(head.Metadata?.['file-permissions'], '0640');
      const target = await s3.send(new ListObjectsV2Command({ Bucket: stackEnv['BACKUP_S3_BUCKET'] }));
      t.is(target.KeyCount, 0);
      s3.destroy();

      const project = `${pubsub.url}/v1/projects/${stackEnv['PUBSUB_PROJECT']}`;
      const subscription = await fetch(`${project}/subscriptions/${stackEnv['PUBSUB_SUBSCRIPTION']}`);
      t.is(((await subscription.json()) as { topic: string }).topic, `projects/demo/topics/${topic}`);
    },
  );
} else {
  serverTest('minio', 'the sample loader needs MinIO and the Pub/Sub emulator', (t) => t.fail()); // never runs: MinIO is missing here
}
