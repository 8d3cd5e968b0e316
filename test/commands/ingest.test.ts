import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const created = (id: string, path: string): string =>
  JSON.stringify({ id, type: 'create', time: '2026-01-01T00:00:00Z', path, size: 1 });

test('ingest takes in what it can, and says what quarantine had no room for', async (t) => {
  const folder = await freshFolder();
  const file = join(folder, 'events.jsonl');
  const environment = { DATA_DIR: join(folder, 'data') };
  const bad = Array.from({ length: 10_050 }, (_, n) => `not an event ${n}`);
  await writeFile(file, [created('1', 'first'), ...bad, created('2', 'last')].join('\n'));
  const { code, stdout, stderr } = await runCli(['ingest', file], environment);
  t.is(code, 1, stderr);
  t.regex(stdout, /10052 messages: 2 new events, 0 duplicates, 0 ignored, 10000 messages in quarantine/);
  t.regex(stderr, /quarantine is full: 50 messages .* are not understood and were not kept/);
  await removeFolder(folder);
});

test('ingest reads lines as bytes: any character may stand in a path, and one endless line costs only itself', async (t) => {
  const folder = await freshFolder();
  const file = join(folder, 'events.jsonl');
  const environment = { DATA_DIR: join(folder, 'data') };
  const path = 'a\u2028b\u2029c\u0085d';
  const notText = Buffer.from([0x7b, 0xff, 0xfe, 0x0a]);
  const endless = Buffer.alloc(17 * 1024 * 1024, 'x');
  await writeFile(
    file,
    Buffer.concat([
      Buffer.from(`${created('1', path)}\n`),
      notText,
      endless,
      Buffer.from(`\r\n${created('2', 'last')}`),
    ]),
  );
  const { code, stdout, stderr } = await runCli(['ingest', file, '--json'], environment);
  t.is(code, 0, stderr);
  t.like(JSON.parse(stdout), { messages: 4, appended: 2, quarantined: 2, refused: 0, files: 2 });
  const listed = await runCli(['quarantine', 'list'], environment);
  t.regex(listed.stdout, /line 3 has 17825793 bytes, more than the 16777216 that are read; its first 65536 are kept/);
  t.regex(listed.stdout, /not valid UTF-8/);
  const rows = await runCli(['snapshot'], environment);
  t.true(rows.stdout.includes(path), 'the path is whole');
  await removeFolder(folder);
});

test('an ingest that is stopped says that there is more, and ends with 1', async (t) => {
  const folder = await freshFolder();
  const environment = { DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'info' };
  const { child, finished } = startCli(['ingest', '-'], environment);
  child.stdin?.write(`${created('1', 'first')}\n`);
  const status = async (): Promise<unknown> => {
    const { stdout } = await runCli(['status', '--json'], { DATA_DIR: environment.DATA_DIR });
    return stdout === '' ? undefined : JSON.parse(stdout).log.last_offset;
  };
  while ((await status()) !== 1) await new Promise((resolve) => setTimeout(resolve, 50));
  child.kill('SIGTERM');
  const { code, stdout, stderr } = await finished;
  t.is(code, 1);
  t.regex(stdout, /1 message: 1 new event,/);
  t.regex(stderr, /stopped before the end of -: ingest it again/);
});

test('while the bucket is away an ingest takes in what does not need it, and says what does', async (t) => {
  const unclear = {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    eventTime: '2026-03-14T09:26:53.589Z',
    eventName: 'ObjectRemoved:Delete',
    s3: { bucket: { name: 'documents' }, object: { key: 'k', versionId: 'v1', sequencer: '01' } },
  };
  const environment = {
    DATA_DIR: await freshFolder(),
    CUSTOMER_S3_ENDPOINT: 'http://127.0.0.1:1',
    CUSTOMER_S3_BUCKET: 'documents',
    CUSTOMER_S3_ACCESS_KEY: 'key',
  };
  const lines = [JSON.stringify({ Records: [unclear] }), created('1', 'a')].join('\n');
  const { code, stdout, stderr } = await runCli(['ingest', '-'], environment, lines);
  t.is(code, 1);
  t.regex(stdout, /2 messages: 1 new event,/);
  t.regex(stderr, /1 message of - was not taken in: .*bucket cannot be reached.*ingest it again/);
});

test('events that are dated in the future are told of when they come, and in the status', async (t) => {
  const folder = await freshFolder();
  const file = join(folder, 'events.jsonl');
  const environment = { DATA_DIR: join(folder, 'data') };
  const future = { id: '2', type: 'delete', time: '2100-01-01T00:00:00.500Z', path: 'first' };
  await writeFile(file, created('1', 'first'));
  await runCli(['ingest', file], environment);
  t.notRegex((await runCli(['status'], environment)).stdout, /Ahead/);
  await writeFile(file, JSON.stringify(future));
  const { stderr } = await runCli(['ingest', file], environment);
  t.regex(
    stderr,
    /"path":"first".*"source":"native".*events are dated in the future: .* clock right, then run 's3-sync reconcile'/,
  );
  const { stdout } = await runCli(['status'], environment);
  t.regex(stdout, /Ahead +events are dated up to 2100-01-01T00:00:00\.5Z/);
  t.regex(stdout.replace(/\s+/g, ' '), /Set the producer's clock right, then run 's3-sync reconcile'/);
  t.true(
    stdout.split('\n').every((line) => line.length <= 80 || line.includes(environment.DATA_DIR)),
    stdout,
  );
  await removeFolder(folder);
});
