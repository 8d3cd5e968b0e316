import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { createSqsSource } from '../../src/sources/sqs.ts';
import { accessOf, makeQueue, type QueueServer } from '../sources/queue.ts';
import { startSqsDoor } from '../sources/sqs-door.ts';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';
import { serverTest } from '../support/servers.ts';

const line = (n: number, more = ''): string =>
  JSON.stringify({ id: `e${n}`, type: 'create', time: '2026-01-01T00:00:00Z', path: `p/${n}`, size: 1, more });

const environmentOf = (server: QueueServer, queueUrl: string) => ({
  SQS_QUEUE_URL: queueUrl,
  SQS_ENDPOINT: server.url,
  CUSTOMER_S3_REGION: server.region,
  CUSTOMER_S3_ACCESS_KEY: server.accessKey,
  CUSTOMER_S3_SECRET_KEY: server.secretKey,
});

const drained = async (server: QueueServer, queueUrl: string): Promise<string[]> => {
  const source = createSqsSource({ queueUrl, ...accessOf(server) });
  const bodies: string[] = [];
  const { signal } = new AbortController();
  for (;;) {
    const batch = await source.receive({ messagesMax: 100, bytesMax: 1e9, lingerMs: 100 }, { signal, idleMs: 1_500 });
    if (batch.length === 0) break;
    bodies.push(...batch.map(({ message }) => message.body.toString()));
    await source.ack(batch);
  }
  await source.close();
  return bodies.sort();
};

serverTest('fauxqs', 'what comes by a pipe is published whole, or not at all', async (t, server) => {
  const queueUrl = await makeQueue(server);
  const TMPDIR = await freshFolder();
  const environment = { ...environmentOf(server, queueUrl), TMPDIR };
  const lines = Array.from({ length: 250 }, (_, n) => line(n));
  const wrong = await runCli(['publish', '-'], environment, `${lines.join('\n')}\n{"id":"x"}\n`);
  t.is(wrong.code, 1);
  t.regex(wrong.stderr, /-, line 251: .*; nothing was published/);
  const right = await runCli(['publish', '-'], environment, lines.join('\r\n'));
  t.is(right.stdout, '250 events published\n', right.stderr);
  t.deepEqual(await drained(server, queueUrl), lines.sort(), 'each once: the first attempt has published none');
  const left = (await readdir(TMPDIR)).filter((name) => name.startsWith('s3-sync'));
  t.deepEqual(left, [], 'nothing is left behind');
});

serverTest(
  'fauxqs',
  'a message that the queue does not take is told with its lines and the reason',
  async (t, server) => {
    const environment = environmentOf(server, await makeQueue(server));
    const lines = [...Array.from({ length: 100 }, (_, n) => line(n)), line(100), line(101, 'x'.repeat(2_000_000))];
    const { code, stdout, stderr } = await runCli(['publish', '-'], environment, lines.join('\n'));
    t.not(code, 0);
    t.is(stdout, '');
    t.regex(
      stderr,
      /^s3-sync publish: -, lines 101 to 102: .*(long|large|limit|bytes).*; the 100 events before them/im,
    );
  },
);

serverTest('fauxqs', 'events go to the broker that is read from, where two are configured', async (t, server) => {
  const queueUrl = await makeQueue(server);
  const pubsub = { PUBSUB_EMULATOR_HOST: '127.0.0.1:1', PUBSUB_PROJECT: 'p', PUBSUB_TOPIC: 't' };
  const environment = { ...environmentOf(server, queueUrl), ...pubsub };
  const { stdout, stderr } = await runCli(['publish', '-'], { ...environment, SOURCE: 'sqs' }, line(1));
  t.is(stdout, '1 event published\n', stderr);
  t.deepEqual(await drained(server, queueUrl), [line(1)]);
  for (const SOURCE of ['pubsub', 'http'])
    t.regex((await runCli(['publish', '-'], { ...environment, SOURCE }, line(2))).stderr, /PUBSUB_EMULATOR_HOST/);
  const { code, stderr: missing } = await runCli(['publish', '-'], { ...pubsub, SOURCE: 'sqs' }, line(3));
  t.is(code, 2);
  t.regex(missing, /SQS_QUEUE_URL/);
});

test('Ctrl-C ends it while standard input has not, and leaves nothing behind', async (t) => {
  t.timeout(60_000);
  const TMPDIR = await freshFolder();
  const kept = async (): Promise<string[]> => (await readdir(TMPDIR)).filter((name) => name.startsWith('s3-sync'));
  const { child, finished } = startCli(['publish', '-'], { TMPDIR });
  child.stdin?.write(`${line(1)}\n`);
  while ((await kept()).length === 0) await sleep(20);
  child.kill('SIGINT');
  const { code, stderr } = await finished;
  t.is(code, 1, stderr);
  t.regex(stderr, /^s3-sync publish: stopped: nothing was published$/m);
  t.deepEqual(await kept(), []);
});

serverTest('fauxqs', 'a second Ctrl-C, while the broker is slow, leaves nothing behind either', async (t, server) => {
  const TMPDIR = await freshFolder();
  const kept = async (): Promise<string[]> => (await readdir(TMPDIR)).filter((name) => name.startsWith('s3-sync'));
  let asked: () => void = () => undefined;
  const sending = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const door = await startSqsDoor(server.url, async () => {
    asked();
    return new Promise<undefined>(() => undefined);
  });
  t.teardown(door.close);
  const queueUrl = await makeQueue(server, { through: door.url });
  const { child, finished } = startCli(['publish', '-'], {
    ...environmentOf(server, queueUrl),
    SQS_ENDPOINT: door.url,
    TMPDIR,
  });
  let told = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    told += chunk;
  });
  child.stdin?.end(`${line(1)}\n`);
  await sending;
  t.is((await kept()).length, 1);
  child.kill('SIGINT');
  while (!told.includes('once more to stop at once')) await sleep(20);
  child.kill('SIGINT');
  t.is((await finished).code, 130);
  t.deepEqual(await kept(), []);
});

test('what a line holds does not steer the terminal of whoever publishes it', async (t) => {
  const { stderr } = await runCli(['publish', '-'], {}, '\u001b[2Jno json');
  t.regex(stderr, /^s3-sync publish: -, line 1: .*\\u\{1b\}\[2J.*; nothing was published\n$/);
});

test('a file that is larger than the memory is published from', async (t) => {
  t.timeout(60_000);
  const file = join(await freshFolder(), 'events.jsonl');
  const out = createWriteStream(file);
  const more = 'x'.repeat(1_000);
  for (let n = 0; n < 120_000; n++) if (!out.write(`${line(n, more)}\n`)) await once(out, 'drain');
  out.end('the last line is no event');
  await once(out, 'close');
  const { code, stderr } = await runCli(['publish', file], { NODE_OPTIONS: '--max-old-space-size=48' });
  t.is(code, 1, stderr.slice(0, 500));
  t.regex(stderr, /line 120001: .*; nothing was published/);
});
