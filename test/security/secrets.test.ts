import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { canary } from '../../scripts/canary.ts';
import { ConfigError } from '../../src/errors.ts';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { filesWithSecrets, secrets } from '../support/canary.ts';
import { runCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { createWorld } from '../support/world.ts';

const serverOf = async (t: ExecutionContext, handler: RequestListener): Promise<string> => {
  const server = createServer(handler);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};

test('the search finds a secret wherever it stands', async (t) => {
  const folder = await freshFolder();
  t.deepEqual(await filesWithSecrets(folder), []);
  await writeFile(join(folder, 'a'), Buffer.concat([Buffer.alloc(65_530), Buffer.from(`x${canary}`)]));
  await writeFile(join(folder, `b-${canary}`), '');
  await writeFile(join(folder, 'c'), canary.slice(1));
  t.deepEqual((await filesWithSecrets(folder)).sort(), [join(folder, 'a'), join(folder, `b-${canary}`)].sort());
  await removeFolder(folder);
});

// runCli fails the test when a secret stands in what a command prints, or in its data folder.
test('no command shows or keeps a secret, whatever fails, at the loudest level of logging', async (t) => {
  t.timeout(120_000);
  const world = await createWorld({ trashRetentionMs: 3_600_000 });
  for (const path of ['a', 'b']) await world.writer.put(path, Buffer.from(path));
  await world.release();
  const env = {
    ...secrets,
    DATA_DIR: join(world.folder, 'data'),
    CUSTOMER_S3_ENDPOINT: world.s3.url,
    CUSTOMER_S3_ACCESS_KEY: world.access.accessKey,
    CUSTOMER_S3_BUCKET: world.access.bucket,
    FILE_MANAGER_API_URL: world.server.url,
    HTTP_TOKEN: `${canary}-webhook`,
    // An address may hold one too.
    REPORT_URLS: `http://127.0.0.1:1/hook?token=${canary}-report`,
    LOG_LEVEL: 'trace',
  };
  t.is((await runCli(['initial-sync', '--json'], env)).code, 0);
  await world.writer.delete('a');
  t.is((await runCli(['reconcile', '--json'], env)).code, 0);
  const plan = JSON.parse((await runCli(['plan', '--json'], env)).stdout) as { id: string };
  for (const args of [
    ['apply', plan.id],
    ['undo', plan.id],
    ['verify', '--checksum', '--json'],
    ['status', '--json'],
    ['status'],
    ['test', '--json'],
    ['snapshot', '--out', join(world.folder, 'snapshot.csv')],
    ['quarantine', 'list', '--json'],
    ['replay', '--print'],
    ['replay'],
  ])
    t.true([0, 1].includes((await runCli(args, env)).code ?? 9), args.join(' '));

  const loud = await serverOf(t, (request, response) => {
    response.writeHead(401, {
      'content-type': 'application/problem+json',
      'x-echo': request.headers.authorization ?? '',
    });
    response.end(JSON.stringify({ title: 'no', detail: 'who are you?' }));
  });
  const html = await serverOf(t, (_, response) => response.end('<html>no S3, and no file manager</html>'));
  const wrong: Record<string, string>[] = [
    { FILE_MANAGER_API_URL: `http://${loud}` },
    { FILE_MANAGER_API_URL: `http://user:${canary}-password@${html}` },
    { CUSTOMER_S3_ENDPOINT: `http://user:${canary}-password@${html}` },
    { CUSTOMER_S3_ENDPOINT: 'http://127.0.0.1:1' },
    { REPORT_URLS: `http://127.0.0.1:1/hook,http://user:${canary}-password@127.0.0.1:1/report` },
    { REPORT_URLS: `ftp://127.0.0.1:1/hook?token=${canary}` },
    { FILE_MANAGER_TOKEN: `${canary}\r\nx-evil: 1` },
    { SYNC_INTERVAL: 'soon' },
  ];
  for (const change of wrong) {
    const data = join(world.folder, `data-${Math.random()}`);
    const result = await runCli(['initial-sync'], { ...env, ...change, DATA_DIR: data });
    t.not(result.code, 0, JSON.stringify(Object.keys(change)));
    t.true(result.stderr.length > 20);
  }
  await world.close();
});

test('a client that is given a secret it cannot send does not repeat it', async (t) => {
  for (const options of [
    { baseUrl: `http://user:${canary}@127.0.0.1:9` },
    { baseUrl: 'http://127.0.0.1:9', token: `${canary}\r\nx-evil: 1` },
  ]) {
    const error = await t.throwsAsync(createFileManagerClient(options).describe(), { instanceOf: ConfigError });
    t.false(`${error?.message} ${error?.stack}`.includes(canary));
  }
});

test('TLS verification cannot be switched off by accident', async (t) => {
  for (const command of ['status', 'initial-sync', 'daemon']) {
    const { code, stderr } = await runCli([command], {
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      DATA_DIR: await freshFolder(),
    });
    t.is(code, 2, command);
    t.regex(stderr, /NODE_TLS_REJECT_UNAUTHORIZED=0 .*unset it.*NODE_EXTRA_CA_CERTS/);
  }
});
