import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';
import { createWorld } from '../support/world.ts';

const unreachable = {
  CUSTOMER_S3_ENDPOINT: 'http://127.0.0.1:1',
  CUSTOMER_S3_ACCESS_KEY: 'a',
  CUSTOMER_S3_SECRET_KEY: 'canary-secret',
  CUSTOMER_S3_BUCKET: 'bucket',
  FILE_MANAGER_API_URL: 'http://127.0.0.1:2',
};

for (const [title, args, environment, code, message] of [
  ['no configuration', ['incremental-sync'], {}, 2, /CUSTOMER_S3_BUCKET: name of the bucket\n {2}FILE_MANAGER_API_URL/],
  [
    'every mistake of the configuration at once',
    ['status'],
    { SYNC_INTERVAL: 'x', SOURCE: 'y' },
    2,
    /SYNC_INTERVAL: expected .*\n.*SOURCE: expected one of/,
  ],
  ['an unknown command', ['snapshto'], {}, 2, /Did you mean snapshot\?/],
  ['an unknown flag', ['status', '--jsn'], {}, 2, /Did you mean --json\?/],
  ['an unreachable bucket', ['initial-sync'], unreachable, 1, /cannot be reached .*check CUSTOMER_S3_ENDPOINT/],
  ['a file that is not there', ['ingest', 'nowhere.jsonl'], {}, 1, /cannot read nowhere.jsonl: there is no such file/],
  ['an offset that is none', ['replay', '--from', 'x', '--print'], {}, 2, /--from: expected an offset/],
  [
    'a Pub/Sub emulator that is not there',
    ['publish', '-'],
    { PUBSUB_PROJECT: 'demo', PUBSUB_TOPIC: 'events', PUBSUB_EMULATOR_HOST: '127.0.0.1:9' },
    1,
    /nothing answers at 127.0.0.1:9 .*check PUBSUB_EMULATOR_HOST/,
  ],
  ['an id that is none', ['quarantine', 'drop', 'x'], {}, 2, /is no id/],
  [
    'an address with a password in it',
    ['status'],
    { REPORT_URLS: 'ftp://user:canary-secret@h/x?key=canary-secret' },
    2,
    /REPORT_URLS: expected an address without a user name or password/,
  ],
] as const) {
  test(`${title} is answered with what to do, and the right exit code`, async (t) => {
    const result = await runCli(args, { DATA_DIR: await freshFolder(), ...environment });
    t.is(result.code, code, result.stderr);
    t.regex(result.stderr, message);
    t.notRegex(result.stderr + result.stdout, /canary-secret/);
  });
}

test('wrong credentials, a missing bucket and a file manager that refuses, is none, or is down are told apart', async (t) => {
  t.timeout(120_000);
  const world = await createWorld();
  const html = createServer((_, response) =>
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>hello</html>'),
  ).listen(0, '127.0.0.1');
  const refusing = createServer((_, response) =>
    response.writeHead(401, { 'content-type': 'application/problem+json' }).end('{"title":"Unauthorized"}'),
  ).listen(0, '127.0.0.1');
  await Promise.all([once(html, 'listening'), once(refusing, 'listening')]);
  const urlOf = (server: typeof html): string => `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  try {
    await world.writer.put('a', Buffer.from('one'));
    const base = {
      CUSTOMER_S3_ENDPOINT: world.s3.url,
      CUSTOMER_S3_ACCESS_KEY: world.s3.accessKey,
      CUSTOMER_S3_SECRET_KEY: world.s3.secretKey,
      CUSTOMER_S3_BUCKET: world.access.bucket,
      FILE_MANAGER_API_URL: world.server.url,
    };
    const run = async (environment: Record<string, string>, words = ['initial-sync']) =>
      runCli(words, { DATA_DIR: await freshFolder(), ...base, ...environment });
    const missing = await run({ CUSTOMER_S3_BUCKET: 'no-such-bucket' });
    t.is(missing.code, 2, missing.stderr);
    t.regex(missing.stderr, /there is no bucket "no-such-bucket": check CUSTOMER_S3_BUCKET/);
    const refused = await run({ FILE_MANAGER_API_URL: urlOf(refusing) });
    t.is(refused.code, 2);
    t.regex(refused.stderr + refused.stdout, /FILE_MANAGER_TOKEN/);
    const garbage = await run({ FILE_MANAGER_API_URL: urlOf(html) });
    t.is(garbage.code, 2);
    t.regex(garbage.stderr + garbage.stdout, /FILE_MANAGER_API_URL/);
    for (const url of [urlOf(refusing), urlOf(html)])
      t.is(
        (await run({ FILE_MANAGER_API_URL: url }, ['reconcile', '--file-manager'])).code,
        2,
        'also where nothing is carried over',
      );
    const down = await run({ FILE_MANAGER_API_URL: 'http://127.0.0.1:2' });
    t.is(down.code, 1);
    t.regex(down.stderr + down.stdout, /ECONNREFUSED|cannot be reached|refused/);
  } finally {
    html.close();
    refusing.close();
    await world.close();
  }
});

test('a second process on one data folder is refused, and told who has it', async (t) => {
  const data = await freshFolder();
  const environment = { DATA_DIR: data, HTTP_PORT: '1', SOURCE: 'http' };
  const { child, finished } = startCli(['ingest', '-'], environment);
  child.stdin?.write('{"id":"1","type":"create","time":"2026-01-01T00:00:00Z","path":"a"}\n');
  // It has the folder before it opens these.
  while (child.exitCode === null && !existsSync(join(data, 'projections.db'))) await sleep(20);
  const second = await runCli(['ingest', '-'], environment, '{}');
  t.is(second.code, 1);
  t.regex(second.stderr, new RegExp(`in use by 's3-sync ingest' \\(pid ${child.pid}`));
  t.is((await runCli(['status'], environment)).code, 0, 'reading goes on beside the writer');
  child.stdin?.end();
  t.is((await finished).code, 0);
});

test('lines that are not understood go to quarantine, and fail nothing else', async (t) => {
  const environment = { DATA_DIR: await freshFolder() };
  const lines = [
    '{"id":"1","type":"create","time":"2026-01-01T00:00:00Z","path":"a"}',
    'not json',
    '{"id":"2","type":"creat","time":"2026-01-01T00:00:00Z","path":"b"}',
    '{"id":"3","type":"create","time":"2026-01-01T00:00:00Z","path":"../c"}',
  ];
  const result = await runCli(['ingest', '-', '--json'], environment, lines.join('\n'));
  t.is(result.code, 0, result.stderr);
  t.like(JSON.parse(result.stdout), { messages: 4, appended: 1, quarantined: 3, files: 1 });
  const listed = await runCli(['quarantine', 'list'], environment);
  t.regex(listed.stdout, /did you mean create\?/);
  t.regex((await runCli(['quarantine', 'show', '1'], environment)).stdout, /not json/);
  t.regex(
    (await runCli(['quarantine', 'retry', '--all'], environment)).stdout,
    /0 of 3 messages are understood now, 3 stay/,
  );
  t.regex((await runCli(['quarantine', 'drop', '1'], environment)).stdout, /1 message dropped/);
});

test('a file where a folder must be, and no folder where one must be, are said in a sentence', async (t) => {
  const folder = await freshFolder();
  const file = join(folder, 'file');
  await writeFile(file, '');
  const data = { DATA_DIR: join(folder, 'data') };
  t.is((await runCli(['ingest', '-'], data)).code, 0);
  const noFolder = /file(\/x)? cannot be a folder, a file stands there or above it: move it away, or set DATA_DIR/;
  for (const [args, environment, expected] of [
    [['status'], { DATA_DIR: file }, noFolder],
    [['status'], { DATA_DIR: join(file, 'x') }, noFolder],
    [['snapshot'], { DATA_DIR: file }, noFolder],
    [
      ['file-manager', '--root', file, '--port', '0'],
      data,
      /file cannot be a folder.* or set --root to another folder/,
    ],
    [['file-manager', '--root', join(file, 'x'), '--port', '0'], data, /file\/x cannot be a folder/],
    [['snapshot', '--out', join(folder, 'none/x.csv')], data, /--out: there is no folder .*none: make it/],
    [['snapshot', '--out', join(file, 'x.csv')], data, /--out: there is no folder .*file: make it/],
    [['snapshot', '--out', folder], data, /--out: .* is a folder: name a file in it/],
    [['replay', '--into', join(file, 'x.db')], data, /cannot open .*x\.db.*: check that the folder exists/],
    [['diff', join(folder, 'none.csv'), file], data, /cannot read .*none\.csv: there is no such file/],
    [['diff', folder, file], data, /cannot read .*: it is a folder/],
  ] as const) {
    const { code, stderr } = await runCli(args, environment);
    t.true(code === 1 || code === 2, args.join(' '));
    t.regex(stderr, expected);
    t.notRegex(stderr, /\bE[A-Z]{4,}:/, args.join(' '));
  }
});

test('a log that is no database is named', async (t) => {
  const data = await freshFolder();
  await mkdir(data, { recursive: true });
  await writeFile(join(data, 'events.db'), 'this is no database, and long enough to be sure of it. '.repeat(50));
  for (const command of [['status'], ['ingest', '-']]) {
    const result = await runCli(command, { DATA_DIR: data });
    t.is(result.code, 1);
    t.regex(result.stderr, /events\.db is no SQLite database/);
  }
});
