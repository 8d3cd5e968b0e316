import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { ConfigError, FatalError, RetryableError } from '../../src/errors.ts';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { makeQueue } from '../sources/queue.ts';
import { freePort } from '../support/child.ts';
import { listeningAt, runCli, startCli } from '../support/cli.ts';
import { startFauxqsServer } from '../support/fauxqs.ts';
import { freshFolder } from '../support/folder.ts';

/** An address at which a server speaks HTTP without TLS. */
const plainServer = async (): Promise<{ address: string; close: () => void }> => {
  const server = createServer((_, response) => response.end());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
};

test('https:// to a server without TLS is told as that, with the setting', async (t) => {
  t.timeout(60_000);
  const { address, close } = await plainServer();
  const { code, stderr } = await runCli(['initial-sync'], {
    DATA_DIR: await freshFolder(),
    CUSTOMER_S3_ENDPOINT: `https://${address}`,
    CUSTOMER_S3_BUCKET: 'documents',
    FILE_MANAGER_API_URL: 'http://127.0.0.1:1',
  });
  t.is(code, 2, stderr);
  t.regex(stderr, /endpoint does not speak TLS: should CUSTOMER_S3_ENDPOINT begin with http:\/\/ instead of https:/);
  await t.throwsAsync(createFileManagerClient({ baseUrl: `https://${address}` }).describe(), {
    instanceOf: FatalError,
    message: /the file manager does not speak TLS: should FILE_MANAGER_API_URL begin with http:/,
  });
  close();
});

test('a backup bucket that cannot be used is told with its own settings, by a file manager that serves', async (t) => {
  t.timeout(60_000);
  const { address, close } = await plainServer();
  const { child, finished } = startCli(['file-manager', '--port', '0'], {
    DATA_DIR: await freshFolder(),
    LOG_LEVEL: 'info',
    BACKUP_S3_ENDPOINT: `https://${address}`,
    BACKUP_S3_BUCKET: 'backup',
    BACKUP_S3_ACCESS_KEY: 'key',
    BACKUP_S3_SECRET_KEY: 'secret',
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  const url = await listeningAt(child);
  while (!said.includes('nothing can be backed up')) await once(child.stderr as NodeJS.ReadableStream, 'data');
  t.deepEqual(await (await fetch(`${url}/health`)).json(), { ok: true, backup_pending: 0, backup_failing: 0 });
  child.kill('SIGTERM');
  const { code, stderr } = await finished;
  t.is(code, 0, stderr);
  t.regex(stderr, /should BACKUP_S3_ENDPOINT begin with http:/);
  close();
});

test('a file manager that is not there is told with the setting that names it', async (t) => {
  const client = createFileManagerClient({ baseUrl: `http://127.0.0.1:${await freePort()}` });
  await t.throwsAsync(client.describe({ signal: AbortSignal.timeout(10_000) }), {
    instanceOf: RetryableError,
    message: /cannot be reached \(.*ECONNREFUSED.*\): check FILE_MANAGER_API_URL$/,
  });
});

test('a file manager at a port that no request is sent to is told as that', async (t) => {
  const client = createFileManagerClient({ baseUrl: 'http://127.0.0.1:10080' });
  await t.throwsAsync(client.describe({ signal: AbortSignal.timeout(10_000) }), {
    instanceOf: ConfigError,
    message: /the port in FILE_MANAGER_API_URL is one that HTTP clients refuse/,
  });
});

test('a file manager says where it keeps its files, and whose address is taken', async (t) => {
  t.timeout(60_000);
  const data = await freshFolder();
  const first = startCli(['file-manager', '--port', '0'], { DATA_DIR: data, LOG_LEVEL: 'info' });
  const port = new URL(await listeningAt(first.child)).port;
  const second = await runCli(['file-manager', '--port', port, '--root', await freshFolder()], { DATA_DIR: data });
  t.is(second.code, 2, second.stderr);
  t.regex(second.stderr, /cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE.*; set --host and --port to a free address/);
  first.child.kill('SIGTERM');
  const { stderr } = await first.finished;
  t.true(stderr.includes(`"root":${JSON.stringify(join(data, 'files'))}`), stderr);
});

test('SQS without credentials names the settings that it takes them from', async (t) => {
  t.timeout(60_000);
  const { code, stderr } = await runCli(['subscribe'], {
    DATA_DIR: await freshFolder(),
    HOME: await freshFolder(),
    AWS_EC2_METADATA_DISABLED: 'true',
    CUSTOMER_S3_ACCESS_KEY: '',
    CUSTOMER_S3_SECRET_KEY: '',
    SQS_QUEUE_URL: 'http://127.0.0.1:1/000000000000/events',
  });
  t.is(code, 2, stderr);
  t.regex(stderr, /no credentials for SQS_QUEUE_URL ".*": set CUSTOMER_S3_ACCESS_KEY and CUSTOMER_S3_SECRET_KEY/);
});

test('a queue that is not at AWS needs no endpoint, and nothing but logs is written about it', async (t) => {
  t.timeout(60_000);
  const server = await startFauxqsServer();
  const { child, finished } = startCli(['subscribe'], {
    DATA_DIR: await freshFolder(),
    LOG_LEVEL: 'info',
    CUSTOMER_S3_ACCESS_KEY: server.accessKey,
    CUSTOMER_S3_SECRET_KEY: server.secretKey,
    SQS_QUEUE_URL: await makeQueue(server),
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  while (!said.includes('"subscribed"')) await once(child.stderr as NodeJS.ReadableStream, 'data');
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  child.kill('SIGTERM');
  const { code, stderr } = await finished;
  t.is(code, 0, stderr);
  const others = stderr.split('\n').filter((line) => line !== '' && !/^\{|^SIGTERM: /.test(line));
  t.deepEqual(others, []);
  await server.stop();
});
