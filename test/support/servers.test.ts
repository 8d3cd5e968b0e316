import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import test from 'ava';
import { serverTest, uniqueName } from './servers.ts';

const root = join(import.meta.dirname, '..', '..');

const s3 = (server: { url: string; accessKey: string; secretKey: string; region: string }): S3Client =>
  new S3Client({
    endpoint: server.url,
    region: server.region,
    forcePathStyle: true,
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
  });

for (const name of ['minio', 'localstack', 'fauxqs'] as const) {
  serverTest(name, `${name} takes a bucket and an object`, async (t, server) => {
    const client = s3(server);
    const bucket = uniqueName('support');
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const put = await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'a b', Body: 'hello' }));
    t.is(put.ETag, '"5d41402abc4b2a76b9719d911017c592"');
    client.destroy();
  });
}

serverTest('pubsub', 'the Pub/Sub emulator takes a topic', async (t, server) => {
  const response = await fetch(`${server.url}/v1/projects/${server.projectId}/topics/${uniqueName('support')}`, {
    method: 'PUT',
  });
  t.is(response.status, 200);
});

const gone = async (pid: number): Promise<boolean> => {
  for (let tries = 0; tries < 100; tries++) {
    try {
      process.kill(-pid, 0);
    } catch {
      return true;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
};

/** Starts a server that is a shell with a child of its own, as a server that forks is, and prints its process group. */
const script = `
import { createServer } from 'node:http';
import { startServer } from './test/support/child.ts';
const web = createServer((_, response) => response.end('up')).listen(0, '127.0.0.1', async () => {
  const { pid } = await startServer(() => ({
    name: 'forking server', command: 'sh', args: ['-c', 'sleep 1000 & sleep 1000'],
    readyUrl: 'http://127.0.0.1:' + web.address().port,
  }));
  console.log(pid);
});`;

test('a server and its children end when the process that started them is killed', async (t) => {
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: root });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const group = Number(line.toString());
  t.true(group > 1);
  t.notThrows(() => process.kill(-group, 0), 'it runs before');
  parent.kill('SIGKILL');
  t.true(await gone(group));
});
