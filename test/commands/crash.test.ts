import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { openLogForReading } from '../../src/log/read-log.ts';
import { createPubSubPublisher, ensurePubSub } from '../../src/sources/pubsub-publisher.ts';
import { ensureQueue } from '../../src/sources/sqs-client.ts';
import { createSqsPublisher } from '../../src/sources/sqs-publisher.ts';
import { startBrokerProxy } from '../support/broker-proxy.ts';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';
import { serverTest, uniqueName } from '../support/servers.ts';
import { createWorld } from '../support/world.ts';

const events = (count: number): string[] =>
  Array.from({ length: count }, (_, at) =>
    JSON.stringify({
      id: `e${at}`,
      type: 'create',
      time: '2026-01-01T00:00:00Z',
      path: `f/${at}`,
      size: at,
      etag: `t${at}`,
    }),
  );

const countOf = async (path: string): Promise<number> => {
  try {
    const log = await openLogForReading(path);
    const last = await log.last();
    await log.close();
    return last;
  } catch {
    return 0;
  }
};

/**
 * Runs `subscribe` again and again, killed at random moments of its work, until every event is in the log. No event may be
 * lost, and none counts twice.
 */
const survivesKills = async (
  t: ExecutionContext,
  environment: Record<string, string>,
  count: number,
  kills: number,
): Promise<void> => {
  const data = await freshFolder();
  const env = { ...environment, DATA_DIR: data, BATCH_MESSAGES: '40', BATCH_LINGER_MS: '5' };
  const log = join(data, 'events.db');
  const reached = async (wanted: number, limitMs: number): Promise<number> => {
    let last = 0;
    for (const end = Date.now() + limitMs; Date.now() < end && last < wanted; await sleep(20))
      last = await countOf(log);
    return last;
  };
  let before = 0;
  for (let kill = 1; kill <= kills; kill++) {
    const { child, finished } = startCli(['subscribe'], env);
    before = await reached(Math.min(count, before + 1 + Math.floor((Math.random() * count) / kills)), 20_000);
    child.kill('SIGKILL');
    const { stderr: said } = await finished;
    t.log(`killed at offset ${before}`, said);
  }
  const { child, finished } = startCli(['subscribe'], { ...env, LOG_LEVEL: 'info' });
  // The log may hold everything before this one has begun, and a signal would find it without a listener.
  await new Promise<void>((resolve) => {
    child.stderr?.on('data', (chunk: Buffer) => chunk.includes('subscribed') && resolve());
    child.once('exit', () => resolve());
  });
  // What the killed ones had in hand comes again only when its lease has run out.
  const last = await reached(count, 120_000);
  child.kill('SIGTERM');
  const { code, stderr } = await finished;
  t.is(last, count);
  t.is(code, 0, stderr);
  const printed = await runCli(['replay', '--print'], env);
  const ids = printed.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { id: string }).id);
  t.is(new Set(ids).size, count, 'no event is lost');
  t.is(ids.length, count, 'and none counts twice');
  const live = await runCli(['snapshot'], env);
  await runCli(['replay'], env);
  t.is((await runCli(['snapshot'], env)).stdout, live.stdout, 'a replay gives the same bytes');
  t.is(live.stdout.trim().split('\n').length, count + 1);
};

serverTest(
  'fauxqs',
  'a subscriber on SQS that is killed at any moment loses nothing and counts nothing twice',
  async (t, server) => {
    const access = {
      endpoint: server.url,
      region: server.region,
      credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    };
    const named = new URL(await ensureQueue({ queueName: uniqueName('events'), ...access }));
    const queueUrl = new URL(named.pathname, server.url).href;
    const publisher = createSqsPublisher({ queueUrl, ...access });
    await publisher.publish(events(1_500).map((body) => ({ body: Buffer.from(body), attributes: {} })));
    await publisher.close();
    await survivesKills(
      t,
      {
        SQS_QUEUE_URL: queueUrl,
        SQS_ENDPOINT: server.url,
        SQS_VISIBILITY: '2',
        CUSTOMER_S3_ACCESS_KEY: 'test',
        CUSTOMER_S3_SECRET_KEY: 'test',
      },
      1_500,
      4,
    );
  },
);

serverTest(
  'pubsub',
  'a subscriber on Pub/Sub that is killed at any moment loses nothing and counts nothing twice',
  async (t, server) => {
    const emulatorHost = server.host;
    const names = {
      project: 'test',
      emulatorHost,
      topic: uniqueName('topic'),
      subscription: uniqueName('subscription'),
    };
    await ensurePubSub({ ...names, ackDeadlineSeconds: 10 });
    const publisher = createPubSubPublisher(names);
    await publisher.publish(events(1_000).map((body) => ({ body: Buffer.from(body), attributes: {} })));
    await publisher.close();
    const proxy = await startBrokerProxy(Number(new URL(server.url).port));
    t.teardown(proxy.stop);
    const environment = {
      PUBSUB_PROJECT: 'test',
      PUBSUB_SUBSCRIPTION: names.subscription,
      PUBSUB_EMULATOR_HOST: `127.0.0.1:${proxy.port}`,
    };
    await survivesKills(t, environment, 1_000, 1);
  },
);

test('an initial sync that is killed again and again goes on where it was, and ends equal', async (t) => {
  t.timeout(120_000);
  const world = await createWorld();
  try {
    for (let at = 0; at < 120; at++) await world.writer.put(`d${at % 7}/f${at}`, Buffer.from(`content ${at}`));
    await world.release();
    const environment = {
      DATA_DIR: join(world.folder, 'data'),
      CUSTOMER_S3_ENDPOINT: world.s3.url,
      CUSTOMER_S3_ACCESS_KEY: world.s3.accessKey,
      CUSTOMER_S3_SECRET_KEY: world.s3.secretKey,
      CUSTOMER_S3_BUCKET: world.access.bucket,
      FILE_MANAGER_API_URL: world.server.url,
      SYNC_CONCURRENCY: '2',
    };
    for (let kill = 0; kill < 4; kill++) {
      const { child, finished } = startCli(['initial-sync'], environment);
      await Promise.race([sleep(350 + kill * 150), once(child, 'exit')]);
      child.kill('SIGKILL');
      await finished;
    }
    const { code, stderr } = await runCli(['initial-sync'], environment);
    t.is(code, 0, stderr);
    const verified = await runCli(['verify', '--checksum'], environment);
    t.is(verified.code, 0, verified.stdout);
    t.is(verified.stdout.trim().split('\n').length, 120);
    const status = JSON.parse((await runCli(['status', '--json'], environment)).stdout) as {
      operations: Record<string, number>;
      records: Record<string, number>;
    };
    t.is(status.operations.save, 120, 'each file was recorded once');
    t.is(status.records.dirty, 0);
    const selfTest = await runCli(['test'], environment);
    t.is(selfTest.code, 0, selfTest.stdout);
  } finally {
    await world.close();
  }
});

test('a daemon that is killed in the middle of the first listing lists the rest of the bucket when it starts again', async (t) => {
  t.timeout(120_000);
  const world = await createWorld();
  try {
    // One more than a page of a listing holds.
    for (let at = 0; at < 1_001; at++) await world.writer.put(`f${at}`, Buffer.from('1'));
    await world.release();
    const environment = {
      DATA_DIR: join(world.folder, 'data'),
      CUSTOMER_S3_ENDPOINT: world.s3.url,
      CUSTOMER_S3_ACCESS_KEY: world.s3.accessKey,
      CUSTOMER_S3_SECRET_KEY: world.s3.secretKey,
      CUSTOMER_S3_BUCKET: world.access.bucket,
      CUSTOMER_S3_METADATA: 'false',
      FILE_MANAGER_API_URL: world.server.url,
      SYNC_INTERVAL: '1',
      HTTP_PORT: '0',
      HTTP_TOKEN: 'token',
    };
    const killed = await startCli(['daemon'], { ...environment, FAILPOINT: 'scan.page.appended' }).finished;
    t.is(killed.code, null, killed.stderr);
    const { child, finished } = startCli(['daemon'], environment);
    const log = join(world.folder, 'data/events.db');
    for (let look = 0; look < 100 && (await countOf(log)) < 1_001; look++) await sleep(100);
    child.kill('SIGTERM');
    const { code, stderr } = await finished;
    t.is(code, 0, stderr);
    t.true((await countOf(log)) >= 1_001, 'every object of the bucket has come into the log');
    t.is((await runCli(['snapshot'], environment)).stdout.trim().split('\n').length, 1 + 1_001);
  } finally {
    await world.close();
  }
});
