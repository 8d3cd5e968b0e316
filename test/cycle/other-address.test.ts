import { join } from 'node:path';
import test from 'ava';
import { tellOtherAddress } from '../../src/commands/other-address.ts';
import { startFileManager } from '../../src/file-manager/server.ts';
import { answer, startProxy } from '../apply/real.ts';
import { runCli, startCli } from '../support/cli.ts';
import { createWorld, environmentOf } from '../support/world.ts';

test('another file manager at another address is told of until it was compared with the mirror', async (t) => {
  t.timeout(120_000);
  const world = await createWorld();
  const environment = environmentOf(world);
  for (const path of ['a', 'b']) await world.put(path, path);
  await world.release();
  const warning = /another address than before.*reconcile --file-manager/;
  const status = async (settings: Record<string, string>): Promise<unknown> =>
    JSON.parse((await runCli(['status', '--json'], settings)).stdout).other_file_manager;
  t.notRegex((await runCli(['incremental-sync'], environment)).stderr, warning);
  t.is(await status(environment), null);

  const server = await startFileManager({ root: join(world.folder, 'other'), host: '127.0.0.1', port: 0 });
  const changed = { ...environment, FILE_MANAGER_API_URL: `${server.url}/` };
  t.deepEqual(await status(changed), { before: world.server.url, now: server.url });
  t.regex((await runCli(['status'], changed)).stdout, /ANOTHER ADDRESS[^]*reconcile --file-manager/);
  await world.writer.put('c', Buffer.from('c'));
  await runCli(['reconcile'], changed);
  t.regex((await runCli(['incremental-sync'], changed)).stderr, warning);
  t.regex((await runCli(['incremental-sync'], changed)).stderr, warning, 'also after it confirmed something there');
  t.not(await status(changed), null);

  const found = await runCli(['reconcile', '--file-manager', '--json'], changed);
  t.like(JSON.parse(found.stdout), { missing: 2 }, found.stderr);
  t.is(await status(changed), null);
  const { stderr } = await runCli(['incremental-sync'], changed);
  t.notRegex(stderr, warning);
  t.is((await runCli(['verify'], changed)).code, 0);
  await server.close();
  await world.close();
});

test('an object that can never be read does not keep another address from being taken for compared', async (t) => {
  t.timeout(120_000);
  const world = await createWorld();
  for (const path of ['a', 'b']) await world.put(path, path);
  await world.cycle({ fileManagerAddress: 'http://before:1' });
  const environment = environmentOf(world);
  await world.release();
  const refused = '<Error><Code>AccessDenied</Code><Message>not this one</Message></Error>';
  const url = await startProxy(t, world.s3.url, async (request, response) =>
    request.url?.startsWith(`/${world.access.bucket}/a`)
      ? answer(response, 403, refused, { 'content-type': 'application/xml' })
      : false,
  );
  const status = async (): Promise<unknown> =>
    JSON.parse((await runCli(['status', '--json'], environment)).stdout).other_file_manager;
  t.like(await status(), { before: 'http://before:1' });
  const settings = { ...environment, CUSTOMER_S3_ENDPOINT: url };
  const found = await runCli(['reconcile', '--file-manager', '--checksum', '--json'], settings);
  t.like(JSON.parse(found.stdout), { complete: true, unread: 1 }, found.stderr);
  t.is(found.code, 1);
  t.is(await status(), null);
  await world.close();
});

test('a daemon tells of another address once, in however many cycles it finds it', async (t) => {
  t.timeout(120_000);
  const world = await createWorld();
  await world.put('a', 'a');
  await world.cycle({ fileManagerAddress: 'http://before:1' });
  const environment = environmentOf(world);
  await world.release();
  const daemon = startCli(['daemon'], { ...environment, LOG_LEVEL: 'info' });
  try {
    const cycled = new Promise((resolve) => {
      daemon.child.stderr?.on('data', (chunk: unknown) => String(chunk).includes('cycle ended') && resolve('cycled'));
    });
    t.is(await Promise.race([cycled, daemon.finished]), 'cycled');
    for (let at = 0; at < 2; at++) t.is((await runCli(['incremental-sync'], environment)).code, 0);
  } finally {
    daemon.child.kill('SIGTERM');
    await daemon.finished;
    await world.close();
  }
  const { stderr: logged } = await daemon.finished;
  t.is(logged.match(/a command was handed over/g)?.length, 2, logged);
  t.is(logged.match(/another address than before/g)?.length, 1, logged);
});

test('another address than the one that was told of is told of again', (t) => {
  const told: unknown[] = [];
  const logger = { warn: (facts: unknown) => void told.push(facts) };
  const first = { before: 'http://a', now: 'http://b' };
  const second = { before: 'http://a', now: 'http://c' };
  const third = { before: 'http://b', now: 'http://c' };
  for (const other of [first, { ...first }, second, second, third, first]) tellOtherAddress(logger, other);
  t.deepEqual(told, [first, second, third, first]);
});
