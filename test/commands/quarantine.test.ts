import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { openLog } from '../../src/log/log.ts';
import { quarantineLimits } from '../../src/log/quarantine.ts';
import { runCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';
import { toFormat1 } from '../support/log-format-1.ts';
import { runCommand } from './in-process.ts';

const record = (key: string, sequencer: string, more: Record<string, unknown> = {}) => ({
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  eventTime: '2026-03-14T09:26:53.589Z',
  eventName: 'ObjectCreated:Put',
  responseElements: { 'x-amz-request-id': `R-${sequencer}` },
  s3: { bucket: { name: 'photos' }, object: { key, size: 1, eTag: 'e', sequencer } },
  ...more,
});

/** A data folder, and commands on it. `--json` and `--all` among the words are flags. */
const started = async () => {
  const data = await freshFolder();
  const run = (
    words: readonly string[],
    input?: string,
    environment: Readonly<Record<string, string>> = {},
    format?: string,
  ) => {
    const flags = { json: words.includes('--json'), all: words.includes('--all'), ...(format && { format }) };
    const [name = '', ...rest] = words.filter((word) => !word.startsWith('--'));
    const command = name === 'quarantine' ? `${name} ${rest.shift()}` : name;
    return runCommand(command, rest, {
      flags,
      environment: { DATA_DIR: data, ...environment },
      ...(input !== undefined && { input }),
    });
  };
  const entries = async () =>
    (await run(['quarantine', 'list', '--json']))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { id: number; reason: string; times: number });
  return { data, run, entries };
};

test('what a message says can neither steer the terminal nor pass for lines of the list', async (t) => {
  const { run } = await started();
  const evil = '\u001b[2J\u009b31m\u202e\u2028 id 7\u0007';
  const lines = [
    JSON.stringify({ id: evil, type: 'create', time: 'now\n     9  2026-01-01T00:00:00Z  forged', path: 'a' }),
    `not json ${evil}`,
  ];
  await run(['ingest'], lines.join('\n'));
  for (const args of [
    ['list'],
    ['list', '--json'],
    ['show', '1'],
    ['show', '2'],
    ['show', '1', '--json'],
    ['show', '2', '--json'],
  ]) {
    const printed = await run(['quarantine', ...args]);
    t.notRegex(printed, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e\u2028]/, args.join(' '));
    t.notRegex(printed, /^ +9 /m, args.join(' '));
  }
  t.regex(
    await run(['quarantine', 'show', '2']),
    /not json \\u\{1b\}\[2J\\u\{9b\}31m\\u\{202e\}\\u\{2028\} id 7\\u\{7\}/,
  );
  const { body } = JSON.parse(await run(['quarantine', 'show', '2', '--json'])) as { body: string };
  t.is(body, lines[1] ?? '', 'and the JSON still holds the very message');
  t.regex(await run(['quarantine', 'list']), /^ +2 .* file .*:2$/m, 'the list names file and line');
});

test('a message with one bad record stays whole until all of it is understood', async (t) => {
  const { run, entries } = await started();
  const body = JSON.stringify({
    Records: [record('a', '01'), record('%', '02'), record('b', '03'), record('c', '04', { eventName: 'Invented' })],
  });
  const first = JSON.parse(await run(['ingest', '--json'], body)) as object;
  t.like(first, { messages: 1, appended: 2, rejected: 2, quarantined: 1, files: 2 });
  t.like(await entries(), [{ id: 1, times: 1 }]);
  t.regex((await entries())[0]?.reason ?? '', /not form-url-encoded.*; .*"Invented" is not known/);
  t.is(await run(['quarantine', 'retry', '1']), '0 of 1 messages are understood now, 1 stay\n');
  t.like(await entries(), [{ id: 1, times: 1 }], 'a retry is no delivery');
  t.like(JSON.parse(await run(['ingest', '--json'], body)), { duplicates: 2, quarantined: 1, appended: 0 });
  t.like(await entries(), [{ id: 1, times: 2 }]);
  t.regex(await run(['ingest'], body), /^1 message: 0 new events, 2 duplicates, 0 ignored, 1 message in quarantine$/m);
  t.is(await run(['quarantine', 'drop', '1']), '1 message dropped\n');
  t.is(await run(['quarantine', 'list']), 'Quarantine is empty\n');
});

test('after the setting is put right a retry takes the message in', async (t) => {
  const { run, entries } = await started();
  const body = JSON.stringify({ Records: [record('a', '01')] });
  const wrong = { CUSTOMER_S3_BUCKET: 'documents' };
  t.like(JSON.parse(await run(['ingest', '--json'], body, wrong)), { quarantined: 1 });
  t.is(await run(['quarantine', 'retry', '--all'], undefined, wrong), '0 of 1 messages are understood now, 1 stay\n');
  const right = { CUSTOMER_S3_BUCKET: 'photos' };
  t.is(await run(['quarantine', 'retry', '--all'], undefined, right), '1 of 1 messages are understood now, 0 stay\n');
  t.deepEqual(await entries(), []);
  t.like(JSON.parse(await run(['status', '--json'])), { log: { quarantine: 0 }, records: { files: 1 } });
});

test('an id that is used twice is kept as the message that it came in, and a retry adds nothing', async (t) => {
  const { run, entries } = await started();
  const event = { id: '1', type: 'create', time: '2026-01-01T00:00:00Z', path: 'a' };
  const other = JSON.stringify({ ...event, path: 'b', modified_at: '2026-01-01T00:00:00Z' });
  await run(['ingest'], `${JSON.stringify(event)}\n${other}\n`);
  t.like(await entries(), [{ id: 1, times: 1 }]);
  t.is((JSON.parse(await run(['quarantine', 'show', '1', '--json'])) as { body: string }).body, other);
  t.is(await run(['quarantine', 'retry', '--all']), '0 of 1 messages are understood now, 1 stay\n');
  t.like(await entries(), [{ id: 1, times: 1 }], 'a retry is no delivery');
  t.is((await entries()).length, 1);
  t.like(JSON.parse(await run(['status', '--json'])), { records: { files: 1 }, log: { last_offset: 1 } });
});

test('bytes that are no text are shown as bytes, and never become a text by a retry', async (t) => {
  const { data, run, entries } = await started();
  await run(['ingest'], '');
  const body = Buffer.concat([
    Buffer.from('{"id":"'),
    Buffer.from([0xff]),
    Buffer.from('","type":"create","time":"2026-01-01T00:00:00Z","path":"a"}'),
  ]);
  const log = await openLog(join(data, 'events.db'));
  await log.append([], [{ source: 'test', deliveryId: '1', reason: 'no UTF-8', attributes: {}, body }]);
  await log.close();
  t.like(JSON.parse(await run(['quarantine', 'show', '1', '--json'])), { body_base64: body.toString('base64') });
  t.regex(await run(['quarantine', 'show', '1']), /not UTF-8, in base64:\neyJpZCI6Iv/);
  t.is(await run(['quarantine', 'retry', '--all']), '0 of 1 messages are understood now, 1 stay\n');
  t.is((await entries()).length, 1);
});

test('an id that is named twice is one message, and an unknown one leaves all as they are', async (t) => {
  const { run, entries } = await started();
  const wrong = { CUSTOMER_S3_BUCKET: 'documents' };
  const bodies = ['a', 'b'].map((key) => JSON.stringify({ Records: [record(key, '01')] }));
  await run(['ingest'], `${bodies.join('\n')}\nnot json`, wrong);
  await t.throwsAsync(run(['quarantine', 'retry', '1', '999']), { message: /no quarantined message 999/ });
  t.like(await entries(), { length: 3 });
  t.is(await run(['quarantine', 'retry', '1', '1', '2']), '2 of 2 messages are understood now, 0 stay\n');
  t.is(await run(['quarantine', 'drop', '3', '3']), '1 message dropped\n');
  t.deepEqual(await entries(), []);
});

test('ids and --all contradict each other, and neither is taken for what was meant', async (t) => {
  const { run, entries } = await started();
  await run(['ingest'], 'not json\nnor this');
  for (const command of ['retry', 'drop'])
    await t.throwsAsync(run(['quarantine', command, '--all', '1']), {
      name: 'ConfigError',
      message: /ids, or use --all, not both/,
    });
  t.is((await entries()).length, 2);
});

test('quarantine is bounded, and a full one says so in its list and in the status', async (t) => {
  const { data, run } = await started();
  await run(['ingest'], 'not json');
  t.regex(await run(['quarantine', 'list']), /^1 of at most 10000 messages, \d+ of at most 268435456 bytes$/m);
  t.notRegex(await run(['status']), /FULL/);
  const log = await openLog(join(data, 'events.db'));
  const poison = Array.from({ length: quarantineLimits.entriesMax }, (_, at) => ({
    source: 'test',
    deliveryId: String(at),
    reason: 'no reason',
    attributes: {},
    body: Buffer.from(String(at)),
  }));
  const { refused } = await log.append([], poison);
  await log.close();
  t.is(refused.length, 1);
  t.regex(await run(['quarantine', 'list']), /^10000 of at most 10000 messages.*: FULL/m);
  t.regex(await run(['status']), /^Quarantine +10000 messages, FULL/m);
  t.like(JSON.parse(await run(['status', '--json'])), { log: { quarantine: 10_000, quarantine_full: true } });
  t.is(await run(['quarantine', 'drop', '--all']), '10000 messages dropped\n');
});

test('a retry takes a message for what it was said to be, and does not look at it anew', async (t) => {
  const { data, run, entries } = await started();
  const { eventSource: _, ...unsigned } = record('a+b', '01');
  // As it is, only one who says so can tell that Ceph wrote it: there `+` is `+`.
  const body = JSON.stringify({ Records: [unsigned] });
  // To whoever looks, a native event; it was said to be an S3 notification, and is none.
  const native = JSON.stringify({ id: '1', type: 'create', time: '2026-01-01T00:00:00Z', path: 'native' });
  const wrong = { CUSTOMER_S3_BUCKET: 'documents' };
  t.like(JSON.parse(await run(['ingest', '--json'], `${body}\n${native}`, wrong, 'ceph')), { quarantined: 2 });
  t.regex(await run(['quarantine', 'show', '1']), /^format {4}ceph$/m);
  t.like(JSON.parse(await run(['quarantine', 'show', '1', '--json'])), { format: 'ceph' });
  t.is(await run(['quarantine', 'retry', '--all']), '1 of 2 messages are understood now, 1 stay\n');
  t.like(await entries(), [{ id: 2, reason: 'the message is not of the kind ceph' }]);
  const printed = await runCommand('replay', [], { flags: { print: true }, environment: { DATA_DIR: data } });
  t.like(JSON.parse(printed), { path: 'a+b', type: 'create' });

  t.like(JSON.parse(await run(['ingest', '--json'], native, {}, 'gcs')), { quarantined: 1 });
  t.like(JSON.parse(await run(['quarantine', 'show', '2', '--json'])), { format: 'gcs', times: 2 });
});

test('what was quarantined before formats were kept is shown, and looked at in a retry', async (t) => {
  const { data, run } = await started();
  await run(['ingest'], 'not json');
  await toFormat1(join(data, 'events.db'));
  t.notRegex(await run(['quarantine', 'show', '1']), /^format/m);
  t.is(await run(['quarantine', 'retry', '--all']), '0 of 1 messages are understood now, 1 stay\n');
  t.like(JSON.parse(await run(['ingest', '--json'], 'not json', {}, 's3')), { quarantined: 1 });
  t.regex(await run(['quarantine', 'show', '1']), /^format {4}s3$/m);
});

test('the beginning that is kept of an endless line is never taken for a message', async (t) => {
  const { run, entries } = await started();
  const event = '{"id":"cut","type":"delete","time":"2026-03-14T09:26:53Z","path":"a"}';
  await run(['ingest'], `${event}${' '.repeat(17 * 1024 * 1024)}} and more`);
  t.is(await run(['quarantine', 'retry', '--all']), '0 of 1 messages are understood now, 1 stay\n');
  t.regex((await entries())[0]?.reason ?? '', /more than the 16777216 that are read/);
});

test('a message that needs the bucket while it is away keeps no other one from a retry', async (t) => {
  const { data, run, entries } = await started();
  const unclear = { ...record('k', '01'), eventName: 'ObjectRemoved:Delete' };
  const versioned = { ...unclear, s3: { ...unclear.s3, object: { key: 'k', versionId: 'v1', sequencer: '01' } } };
  await run(['ingest'], JSON.stringify({ Records: [versioned] }));
  const bucket = {
    CUSTOMER_S3_ENDPOINT: 'http://127.0.0.1:1',
    CUSTOMER_S3_ACCESS_KEY: 'key',
    CUSTOMER_S3_SECRET_KEY: 'secret',
  };
  await run(['ingest'], JSON.stringify({ Records: [record('other', '02')] }), {
    ...bucket,
    CUSTOMER_S3_BUCKET: 'elsewhere',
  });
  t.is((await entries()).length, 2);
  const environment = { ...bucket, DATA_DIR: data, CUSTOMER_S3_BUCKET: 'photos' };
  const { code, stdout, stderr } = await runCli(['quarantine', 'retry', '--all'], environment);
  t.is(stdout, '1 of 2 messages are understood now, 1 stay\n');
  t.is(code, 1);
  t.regex(stderr, /some of them wait for the bucket/);
});

test('a retry knows what the messages before told when it comes to a rename', async (t) => {
  const { run } = await started();
  let heads = 0;
  const keeper = createServer(({ method }, response) => {
    if (method === 'HEAD') heads += 1;
    response.writeHead(method === 'HEAD' ? 403 : 200).end('<ListBucketResult></ListBucketResult>');
  }).listen(0, '127.0.0.1');
  t.teardown(() => keeper.close());
  await once(keeper, 'listening');
  const bucket = {
    CUSTOMER_S3_ENDPOINT: `http://127.0.0.1:${(keeper.address() as AddressInfo).port}`,
    CUSTOMER_S3_ACCESS_KEY: 'key',
    CUSTOMER_S3_SECRET_KEY: 'secret',
  };
  const rename = { id: 'r', type: 'rename', time: '2026-03-15T00:00:00Z', path: 'a', to: 'b' };
  const lines = [JSON.stringify({ Records: [record('a', '01')] }), JSON.stringify(rename)];
  await run(['ingest'], lines.join('\n'), { ...bucket, CUSTOMER_S3_BUCKET: 'documents' });
  t.is(heads, 1, 'nothing is known of its source');
  const right = { ...bucket, CUSTOMER_S3_BUCKET: 'photos' };
  t.regex(await run(['quarantine', 'retry', '--all'], undefined, right), /^2 of 2 messages/);
  t.is(heads, 1, 'it is known by now');
});

test('without a log there is nothing to retry or to drop, and none is made', async (t) => {
  const { data, run } = await started();
  for (const words of [
    ['retry', '1'],
    ['drop', '--all'],
  ])
    await t.throwsAsync(run(['quarantine', ...words]), { message: /there is no event log .* yet/ });
  t.deepEqual(await readdir(data), []);
});

test('what became of a retry and of a drop is told as JSON too', async (t) => {
  const { run } = await started();
  await run(['ingest'], JSON.stringify({ Records: [record('a', '01')] }), { CUSTOMER_S3_BUCKET: 'documents' });
  await run(['ingest'], 'not json');
  t.deepEqual(JSON.parse(await run(['quarantine', 'retry', '--all', '--json'])), {
    messages: 2,
    understood: 1,
    left: 1,
    waiting_for: null,
  });
  t.deepEqual(JSON.parse(await run(['quarantine', 'drop', '--all', '--json'])), { dropped: 1 });
});
