import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test from 'ava';
import { makeQueue } from '../sources/queue.ts';
import { freePort } from '../support/child.ts';
import { runCli, startCli } from '../support/cli.ts';
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
      t.regex(tested.stdout, new RegExp(`^FAIL +subscription +${away.source}`, 'm'));
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
    t.like(await next(), {
      level: 40,
      source: 'sqs',
      seconds: 0,
      msg: 'the source cannot be read, and is tried again',
    });
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
