import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { incrementalSync } from '../../src/commands/sync.ts';
import { loadConfig } from '../../src/config/config.ts';
import { openWorkspace } from '../../src/data-folder/workspace.ts';
import { createLogger } from '../../src/logger.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { makeQueue, sendTo } from '../sources/queue.ts';
import { freePort } from '../support/child.ts';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { createWorld, type World } from '../support/world.ts';

const environmentOf = (world: World, more: Readonly<Record<string, string>>) => ({
  DATA_DIR: world.config.paths.data,
  CUSTOMER_S3_ENDPOINT: world.s3.url,
  CUSTOMER_S3_ACCESS_KEY: world.s3.accessKey,
  CUSTOMER_S3_BUCKET: world.access.bucket,
  FILE_MANAGER_API_URL: world.server.url,
  ...more,
});

/** A world of which the service knows one file that it has not carried over yet. */
const preparedWorld = async (): Promise<World> => {
  const world = await createWorld();
  await world.put('known', 'content');
  await world.release();
  return world;
};

test('a broker that cannot be reached is no empty one: commands that read it fail and say so', async (t) => {
  t.timeout(120_000);
  const world = await preparedWorld();
  try {
    const address = `127.0.0.1:${await freePort()}`;
    const brokers = {
      SQS_QUEUE_URL: { SQS_QUEUE_URL: `http://${address}/000000000000/events`, SQS_ENDPOINT: `http://${address}` },
      PUBSUB_SUBSCRIPTION: {
        PUBSUB_PROJECT: 'demo',
        PUBSUB_SUBSCRIPTION: 'events',
        PUBSUB_EMULATOR_HOST: address,
      },
    };
    for (const [setting, broker] of Object.entries(brokers)) {
      const environment = environmentOf(world, broker);
      const away = new RegExp(`${setting} ".*" cannot be read: .*ECONNREFUSED`);
      const tested = await runCli(['test'], environment);
      t.is(tested.code, 1, tested.stdout);
      t.regex(tested.stdout.replace(/\n {20,}/g, ' '), new RegExp(`^FAIL +subscription +${away.source}`, 'm'));
      t.regex(tested.stdout, /^6 of 8 checks hold$/m);
      const synced = await runCli(['incremental-sync'], environment);
      t.is(synced.code, 1, synced.stderr);
      t.regex(synced.stderr, /"level":40,.*"reason":".*ECONNREFUSED.*"the source cannot be read, and is tried again"/);
      t.regex(synced.stderr, new RegExp(`the subscription was not drained: ${away.source}`));
      t.regex(synced.stdout, /1 in the bucket, 1 in the file manager/, 'what was known is carried over');
      const left = await runCli(['incremental-sync', '--no-drain'], environment);
      t.is(left.code, 0, left.stderr);
    }
  } finally {
    await world.close();
  }
});

test('a cycle that the gate holds says, too, that the subscription was not drained', async (t) => {
  t.timeout(60_000);
  const world = await createWorld();
  try {
    for (const path of ['one', 'two']) await world.put(path, path);
    await world.cycle();
    for (const path of ['one', 'two']) {
      await world.writer.delete(path);
      await world.append({ type: 'delete', path });
    }
    await world.release();
    const SQS_ENDPOINT = `http://127.0.0.1:${await freePort()}`;
    const SQS_QUEUE_URL = `${SQS_ENDPOINT}/000000000000/events`;
    const environment = environmentOf(world, { SQS_QUEUE_URL, SQS_ENDPOINT, GATE_DELETE_MAX: '1' });
    const { code, stderr } = await runCli(['incremental-sync'], environment);
    t.is(code, 3, stderr);
    t.regex(stderr, /"level":50,.*"reason":"SQS_QUEUE_URL .*ECONNREFUSED.*"the subscription was not drained"/);
    t.regex(
      stderr,
      /the safety gate holds this cycle:[^]*the subscription was not drained: SQS_QUEUE_URL .*ECONNREFUSED/,
    );
  } finally {
    await world.close();
  }
});

test('views that are locked are not taken for a subscription that was not drained', async (t) => {
  t.timeout(60_000);
  const world = await preparedWorld();
  const SQS_QUEUE_URL = await makeQueue(world.s3);
  await sendTo(world.s3, SQS_QUEUE_URL, ['{"id":"1","type":"delete","time":"2026-01-31T12:00:00Z","path":"gone"}']);
  const config = loadConfig({
    ...environmentOf(world, { SQS_QUEUE_URL, SQS_ENDPOINT: world.s3.url }),
    CUSTOMER_S3_SECRET_KEY: world.s3.secretKey,
  });
  const workspace = await openWorkspace(config, 'test');
  const other = await openDatabase({ path: config.paths.projections, mode: 'write' });
  const told: string[] = [];
  const logger = Object.assign(createLogger('silent'), {
    error: (_facts: object, text: string) => void told.push(text),
  });
  const context = { command: 'test', config, logger, print: () => undefined, signal: new AbortController().signal };
  try {
    await other.transaction(() =>
      t.throwsAsync(incrementalSync({ ...context, openWorkspace: async () => workspace }, workspace, {}), {
        message: /projections\.db is locked by another/,
      }),
    );
    t.deepEqual(told, []);
    t.is(await workspace.log.last(), 2, 'all that was sent is in the log');
  } finally {
    await other.close();
    await workspace.close();
    await world.close();
  }
});

test('a subscriber waits for a broker that is away, and says when it went and when it came back', async (t) => {
  t.timeout(60_000);
  const world = await preparedWorld();
  const proxy = await startTcpProxy(Number(new URL(world.s3.url).port));
  const SQS_ENDPOINT = `http://127.0.0.1:${proxy.port}`;
  const SQS_QUEUE_URL = await makeQueue(world.s3, { through: SQS_ENDPOINT });
  proxy.cut();
  const subscriber = startCli(['subscribe'], environmentOf(world, { SQS_QUEUE_URL, SQS_ENDPOINT }));
  try {
    const lines = createInterface({ input: subscriber.child.stderr as NodeJS.ReadableStream });
    const next = async (): Promise<unknown> => JSON.parse((await once(lines, 'line'))[0]);
    t.like(await next(), { level: 40, source: 'sqs', msg: 'the source cannot be read, and is tried again' });
    proxy.restore();
    t.like(await next(), { level: 40, source: 'sqs', msg: 'the source answers again' });
    subscriber.child.kill('SIGTERM');
    t.is((await subscriber.finished).code, 0);
  } finally {
    subscriber.child.kill('SIGKILL');
    await proxy.stop();
    await world.close();
  }
});

test('Pub/Sub without credentials that can be read ends what reads or publishes with what to do', async (t) => {
  t.timeout(60_000);
  const folder = await freshFolder();
  const torn = join(folder, 'torn.json');
  await writeFile(torn, '"-----BEGIN PRIVATE KEY-----');
  for (const [file, reason] of [
    [join(folder, 'nowhere.json'), /the file at .*nowhere\.json does not exist/i],
    [torn, /the key file is no JSON\n/],
  ] as const) {
    for (const command of [['subscribe'], ['publish', '-']]) {
      const { code, stderr } = await runCli(command, {
        DATA_DIR: join(folder, 'data'),
        PUBSUB_PROJECT: 'demo',
        PUBSUB_TOPIC: 'events',
        PUBSUB_SUBSCRIPTION: 'events',
        GOOGLE_APPLICATION_CREDENTIALS: file,
      });
      t.is(code, 2, stderr);
      t.regex(stderr, reason);
      t.regex(
        stderr,
        /^s3-sync \S+: there are no credentials for Pub\/Sub: [^]*\nset GOOGLE_APPLICATION_CREDENTIALS to /,
      );
      t.notRegex(stderr, /\n +at |BEGIN/);
    }
  }
});

test('of several sources that are configured, the log names those that nobody reads', async (t) => {
  const queue = `http://127.0.0.1:${await freePort()}`;
  const environment = {
    DATA_DIR: await freshFolder(),
    SQS_QUEUE_URL: `${queue}/000000000000/events`,
    SQS_ENDPOINT: queue,
    HTTP_PORT: '0',
    HTTP_HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
  };
  const logOf = async (args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<string> => {
    const { child, finished } = startCli(['subscribe', ...args], { ...environment, ...more });
    let said = '';
    const subscribed = new Promise((resolve) => {
      child.stderr?.on('data', (chunk: Buffer) => {
        said += chunk;
        if (said.includes('"subscribed"')) resolve(undefined);
      });
    });
    await Promise.race([subscribed, finished]);
    child.kill('SIGTERM');
    return (await finished).stderr;
  };
  const told = await logOf([]);
  t.regex(told, /"level":40,.*"source":"sqs","unread":\["SOURCE=http"\],"msg":"several sources are configured/);
  t.regex(told, /"source":"sqs",.*"subscribed"/);
  t.notRegex(await logOf([], { SOURCE: 'sqs' }), /several sources/, 'who says which knows');
  t.notRegex(await logOf(['--source', 'http']), /several sources/);
});
