import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { loadConfig } from '../../src/config/config.ts';
import { type Setting, type SettingName, settings } from '../../src/config/settings.ts';
import { ConfigError } from '../../src/errors.ts';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';

const timed = (settings as readonly Setting[]).filter(({ kind }) => kind === 'seconds' || kind === 'milliseconds');

for (const { env, most = 0, zero } of timed) {
  test(`${env} has a most, and beyond it is refused`, (t) => {
    const name = env as SettingName;
    t.is(loadConfig({ [name]: `${most}` }).number(name), most);
    const refused = t.throws(() => loadConfig({ [name]: `${most + 1}` }), { instanceOf: ConfigError });
    const from = zero ? 'of at least 0' : 'above 0';
    t.regex(refused.message, new RegExp(`${name}: expected .* ${from} and at most ${most}, found "${most + 1}"`));
  });
}

test('every value that no command could use is named, each with its variable, before anything is done', async (t) => {
  const { code, stderr } = await runCli(['status'], {
    DATA_DIR: await freshFolder(),
    SYNC_INTERVAL: '2592000',
    SYNC_BYTES_PER_SECOND: '5',
    ACL_PERMISSIONS: 'foo',
    EVENT_LOG_PATH: '~/events.db',
    SQS_VISIBILITY: '99999999',
    LEASE_MAX: '99999999',
  });
  t.is(code, 2, stderr);
  for (const mistake of [
    /^ {2}SYNC_INTERVAL: expected a number of seconds above 0 and at most 604800, found "2592000"$/m,
    /^ {2}SYNC_BYTES_PER_SECOND: expected a whole number of at least 16384, found "5"$/m,
    /^ {2}EVENT_LOG_PATH: expected a path without ~, which only a shell replaces; .* found "~\/events.db"$/m,
    /^ {2}ACL_PERMISSIONS: expected private=…, .* found "foo"$/m,
    /^ {2}SQS_VISIBILITY: expected .* at most 43200, found/m,
    /^ {2}LEASE_MAX: expected .* at most 41400, found/m,
  ])
    t.regex(stderr, mistake);
});

test('a wrong address of a report is told by its place: the others may hold a secret', (t) => {
  const refused = t.throws(() => loadConfig({ REPORT_URLS: 'https://hooks.example/T0/SECRETPART,oops' }), {
    instanceOf: ConfigError,
    message: /REPORT_URLS: expected addresses separated by commas, and number 2 of 2 is none/,
  });
  t.notRegex(refused.message, /SECRETPART|oops/);
});

test('an emulator is named by host and port', (t) => {
  for (const PUBSUB_EMULATOR_HOST of ['http://127.0.0.1:1', '127.0.0.1', 'host:port', 'a:1/b'])
    t.throws(() => loadConfig({ PUBSUB_EMULATOR_HOST }), {
      instanceOf: ConfigError,
      message: /PUBSUB_EMULATOR_HOST: expected host:port, such as 127\.0\.0\.1:8085, found/,
    });
  for (const PUBSUB_EMULATOR_HOST of ['127.0.0.1:8085', 'pubsub:8085', '[::1]:8085'])
    t.is(loadConfig({ PUBSUB_EMULATOR_HOST }).text('PUBSUB_EMULATOR_HOST'), PUBSUB_EMULATOR_HOST);
});

test('an interval that no timer can count is refused also as a flag', async (t) => {
  const { code, stderr } = await runCli(['daemon', '--interval', '2592000'], { DATA_DIR: await freshFolder() });
  t.is(code, 2, stderr);
  t.regex(stderr, /--interval: expected .* at most 604800/);
});

test('half a key pair is no missing one: nobody signs with another identity unasked', async (t) => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization ?? '');
    response.writeHead(403).end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const foreign = { AWS_ACCESS_KEY_ID: 'AKIAOTHER', AWS_SECRET_ACCESS_KEY: 'another-secret' };
  const environment = {
    ...foreign,
    DATA_DIR: await freshFolder(),
    CUSTOMER_S3_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    CUSTOMER_S3_BUCKET: 'documents',
    FILE_MANAGER_API_URL: 'http://127.0.0.1:1',
  };
  const half = await runCli(['initial-sync', '--dry-run'], { ...environment, CUSTOMER_S3_SECRET_KEY: '' });
  t.deepEqual(asked, []);
  t.is(half.code, 2, half.stderr);
  t.regex(
    half.stderr,
    /^ {2}CUSTOMER_S3_SECRET_KEY: not set, and CUSTOMER_S3_ACCESS_KEY is: set both, or neither to use/m,
  );
  const neither = { ...environment, CUSTOMER_S3_ACCESS_KEY: '', CUSTOMER_S3_SECRET_KEY: '' };
  await runCli(['initial-sync', '--dry-run'], neither);
  t.regex(asked[0] ?? '', /AKIAOTHER/, 'with neither the credentials of the environment are used');
  server.close();
  for (const [set, unset] of [
    ['BACKUP_S3_SECRET_KEY', 'BACKUP_S3_ACCESS_KEY'],
    ['BACKUP_S3_ACCESS_KEY', 'BACKUP_S3_SECRET_KEY'],
    ['CUSTOMER_S3_SECRET_KEY', 'CUSTOMER_S3_ACCESS_KEY'],
  ] as const)
    t.throws(() => loadConfig({ [set]: 'x' }), { instanceOf: ConfigError, message: new RegExp(`${unset}: not set`) });
});

test('what a source needs is named together with what the sync needs', async (t) => {
  for (const command of ['daemon', 'incremental-sync']) {
    const { code, stderr } = await runCli([command], { DATA_DIR: await freshFolder(), SOURCE: 'pubsub' });
    t.is(code, 2, stderr);
    for (const name of ['CUSTOMER_S3_BUCKET', 'FILE_MANAGER_API_URL', 'PUBSUB_PROJECT', 'PUBSUB_SUBSCRIPTION'])
      t.regex(stderr, new RegExp(`^ {2}${name}: `, 'm'));
  }
});

test('what is invalid, what is missing and what the source needs are named together', async (t) => {
  const { code, stderr } = await runCli(['daemon'], {
    DATA_DIR: await freshFolder(),
    CUSTOMER_S3_ACCESS_KEY: '',
    CUSTOMER_S3_SECRET_KEY: '',
    SOURCE: 'http',
    HTTP_PORT: 'abc',
  });
  t.is(code, 2, stderr);
  for (const named of [
    /^ {2}HTTP_PORT: expected a port number, found "abc"$/m,
    /^ {2}the HTTP source does not know whom to let in: set HTTP_TOKEN/m,
    /^'s3-sync daemon' needs settings that are not set:$/m,
    /^ {2}CUSTOMER_S3_BUCKET: name of the bucket$/m,
    /^ {2}FILE_MANAGER_API_URL: /m,
    /^ {2}and, unless the environment has .*: CUSTOMER_S3_ACCESS_KEY, CUSTOMER_S3_SECRET_KEY$/m,
    /^no file of settings was read: there is no \/\.env$/m,
  ])
    t.regex(stderr, named);
  const other = await runCli(['daemon', '--source', 'kafka'], { DATA_DIR: await freshFolder() });
  t.regex(other.stderr, /^ {2}--source: expected one of pubsub, sqs, http, found "kafka"$[^]*CUSTOMER_S3_BUCKET/m);
  const level = await runCli(['status', '--log-level', 'loud'], {
    DATA_DIR: await freshFolder(),
    SYNC_CONCURRENCY: 'x',
  });
  t.regex(level.stderr, /^ {2}SYNC_CONCURRENCY: expected a whole number[^]*^ {2}--log-level: expected one of/m);
  const none = await runCli(['subscribe'], { DATA_DIR: await freshFolder(), SYNC_INTERVAL: 'soon' });
  t.is(none.code, 2);
  t.regex(none.stderr, /SYNC_INTERVAL: [^]*there is no source: set PUBSUB_SUBSCRIPTION, SQS_QUEUE_URL or HTTP_PORT/);
});

test('a stack is shown at the level that was asked for, however it was', async (t) => {
  const DATA_DIR = await freshFolder();
  const asked = async (args: readonly string[], LOG_LEVEL: string) =>
    (await runCli(['quarantine', 'show', 'x', ...args], { DATA_DIR, LOG_LEVEL })).stderr;
  t.regex(await asked(['--log-level', 'debug'], 'warn'), /^ {4}at /m);
  t.regex(await asked([], 'debug'), /^ {4}at /m);
  t.notRegex(await asked(['--log-level', 'warn'], 'debug'), /^ {4}at /m);
});

test('.env is read, and yields to the environment', async (t) => {
  const folder = await freshFolder();
  await writeFile(join(folder, '.env'), 'SYNC_INTERVAL=soon\nLEASE_MAX="long" # a comment\nSQS_VISIBILITY=never\n');
  const { finished } = startCli(['status'], { DATA_DIR: join(folder, 'data'), SQS_VISIBILITY: '30' }, folder);
  const { code, stderr } = await finished;
  t.is(code, 2);
  t.regex(stderr, /SYNC_INTERVAL: .*"soon"\n.*LEASE_MAX: .*"long"$/m);
  t.notRegex(stderr, /SQS_VISIBILITY/);
});

test('a .env that cannot be read is no missing one', async (t) => {
  const folder = await freshFolder();
  const file = join(folder, '.env');
  await mkdir(file);
  const { code, stderr } = await startCli(['status'], { DATA_DIR: join(folder, 'data') }, folder).finished;
  t.is(code, 2);
  t.true(stderr.startsWith(`s3-sync status: the settings in ${file} cannot be read (EISDIR`), stderr);
  t.regex(stderr, /let this user read the file, or remove it/);
});

test('a .env that this user may not read is named, also where Node says that there is none', async (t) => {
  const folder = await freshFolder();
  const file = join(folder, '.env');
  await writeFile(file, 'GATE_DELETE_MAX=1\n');
  await chmod(folder, 0o755);
  const readAsNobody = async (): Promise<string> =>
    (await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'env-as-nobody.ts'), file])).stdout;
  await chmod(file, 0o644);
  t.is(await readAsNobody(), '{"GATE_DELETE_MAX":"1"}');
  await chmod(file, process.getuid?.() === 0 ? 0o600 : 0o000);
  t.regex(await readAsNobody(), /^ConfigError: the settings in .*\.env cannot be read \(EACCES/);
});

for (const args of [
  ['file-manager', '--root', ''],
  ['status', '--data-dir', ' '],
  ['snapshot', '--out='],
])
  test(`an empty value of a flag is not taken for its default: ${args.join(' ')}`, async (t) => {
    const { code, stderr } = await runCli(args, { DATA_DIR: await freshFolder() });
    t.is(code, 2, stderr);
    t.regex(stderr, /^s3-sync [a-z-]+: --(root|data-dir|out): expected a value, found an empty one/);
  });
