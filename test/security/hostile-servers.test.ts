import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createBucket } from '../../src/bucket/s3.ts';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { runCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { createWorld } from '../support/world.ts';
import { selfSigned } from './certificate.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const serve = async (t: ExecutionContext, handler: Handler): Promise<string> => {
  const server = createServer(handler);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const bucketOn = (t: ExecutionContext, endpoint: string) => {
  const bucket = createBucket({
    endpoint,
    region: 'us-east-1',
    accessKey: 'a',
    secretKey: 's',
    bucket: 'customer',
    attemptsMax: 1,
    silenceMsMax: 3_000,
  });
  t.teardown(() => bucket.close());
  return bucket;
};

const listed = async (bucket: ReturnType<typeof bucketOn>): Promise<unknown> => {
  for await (const page of bucket.list()) return page;
  return undefined;
};

for (const status of [301, 302, 303, 307, 308]) {
  test(`a bucket that redirects with ${status} is not followed to another host`, async (t) => {
    let asked = 0;
    const other = await serve(t, (_, response) => {
      asked += 1;
      response.end('secret');
    });
    const bucket = bucketOn(
      t,
      await serve(t, (_, response) => {
        response.writeHead(status, { location: `${other}/customer`, date: new Date().toUTCString() });
        response.end('<Error><Code>TemporaryRedirect</Code><Endpoint>elsewhere</Endpoint></Error>');
      }),
    );
    await t.throwsAsync(listed(bucket));
    await t.throwsAsync(bucket.get('key'));
    await t.throwsAsync(bucket.head('key'));
    t.is(asked, 0, 'no request, and so no signature, went elsewhere');
  });
}

test('answers with headers or bodies without end are given up, by the bucket and by the file manager', async (t) => {
  const large = await serve(t, (_, response) => {
    response.writeHead(200, { 'x-large': 'x'.repeat(200_000) });
    response.end('{}');
  });
  await t.throwsAsync(listed(bucketOn(t, large)));
  const fileManager = createFileManagerClient({ baseUrl: large, responseTimeoutMs: 3_000, totalTimeoutMs: 10_000 });
  await t.throwsAsync(fileManager.describe());
  const endless = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const more = (): void => {
      while (!response.destroyed && response.write(' '.repeat(65_536)));
      response.once('drain', more);
    };
    more();
  });
  await t.throwsAsync(createFileManagerClient({ baseUrl: endless, answerBytesMax: 1_000_000 }).describe(), {
    message: /more than 1000000 bytes/,
  });
});

test('an endpoint whose certificate nobody vouches for is refused, and told so', async (t) => {
  const server = createTlsServer(selfSigned, (_, response) => response.end('{}'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await t.throwsAsync(createFileManagerClient({ baseUrl: url }).describe(), { message: /certificate .* not trusted/ });
  await t.throwsAsync(bucketOn(t, url).check(), { message: /certificate .* not trusted/ });
});

test('paths that a file manager claims are only ever shown: nothing is made of them', async (t) => {
  const world = await createWorld();
  await world.put('a', 'content');
  await world.cycle();
  await world.release();
  const lines = ['../../etc/passwd', '/etc/shadow', 'a\u001b[2J\r\nforged'].map((path) =>
    JSON.stringify({ path, size: 1, permissions: null }),
  );
  const url = await serve(t, (request, response) => {
    if (request.url !== '/files') {
      response.end(
        JSON.stringify({ ok: true, name: 'x', version: '1', capabilities: ['trash'], restored: ['../x'], skipped: [] }),
      );
      return;
    }
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.end(`${lines.join('\n')}\n${JSON.stringify({ end: true, count: lines.length })}\n`);
  });
  const { code, stdout } = await runCli(['verify'], {
    DATA_DIR: join(world.folder, 'data'),
    CUSTOMER_S3_ENDPOINT: world.s3.url,
    CUSTOMER_S3_ACCESS_KEY: world.access.accessKey,
    CUSTOMER_S3_BUCKET: world.access.bucket,
    FILE_MANAGER_API_URL: url,
  });
  t.is(code, 1);
  t.regex(stdout, /^\+ \.\.\/\.\.\/etc\/passwd$/m);
  t.false(stdout.includes('\u001b') || /^forged/m.test(stdout), 'a path cannot forge a line, nor move the cursor');
  await world.close();
});

test('a message about another bucket, or with a path that leaves the root, is refused and kept for a person', async (t) => {
  const folder = await freshFolder();
  const s3 = (bucket: string, key: string) =>
    JSON.stringify({
      Records: [
        {
          eventVersion: '2.1',
          eventSource: 'aws:s3',
          eventTime: '2026-01-01T00:00:00.000Z',
          eventName: 'ObjectCreated:Put',
          s3: { bucket: { name: bucket }, object: { key, size: 1, eTag: 'e', sequencer: '01' } },
        },
      ],
    });
  const native = (path: string) => JSON.stringify({ id: path, type: 'create', time: '2026-01-01T00:00:00Z', path });
  const input = [
    s3('theirs', 'a'),
    s3('ours', '../../etc/passwd'),
    s3('ours', 'a%2F..%2F..%2Fb'),
    native('../x'),
    native('/etc/passwd'),
    native('a/\u0000'),
    native('.s3-sync/state.db'),
    s3('ours', 'fine'),
  ].join('\n');
  const env = { DATA_DIR: folder, CUSTOMER_S3_BUCKET: 'ours' };
  const { stdout } = await runCli(['ingest', '-'], env, input);
  t.regex(stdout, /8 messages: 1 new event, .* 7 messages in quarantine/);
  const { stdout: list } = await runCli(['quarantine', 'list', '--json'], env);
  t.regex(list, /it is about bucket \\"theirs\\", and \\"ours\\" is configured/);
  t.is((await runCli(['snapshot'], env)).stdout.trim().split('\n').length, 2);
  await removeFolder(folder);
});
