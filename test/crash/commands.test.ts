import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CreateQueueCommand, GetQueueAttributesCommand, SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import test, { type ExecutionContext } from 'ava';
import { failpoints } from '../../src/failpoint.ts';
import { heldIdsMax } from '../../src/log/ids.ts';
import { openLogForReading } from '../../src/log/read-log.ts';
import { gateLimits } from '../../src/plan/gate.ts';
import { runCli, startCli } from '../support/cli.ts';
import { startFauxqsServer } from '../support/fauxqs.ts';
import { freshFolder } from '../support/folder.ts';
import { createWorld, environmentOf, type World } from '../support/world.ts';
import { createGate, runKilled, runUntilDone } from './scene.ts';

/** Real processes killed at the failpoints of what is not a plain sync: a queue, many ids, an undo, a hand-over. */
const gate = createGate(2);

const killed = (title: string, work: (t: ExecutionContext) => Promise<void>): void => {
  test(title, (t) =>
    gate(() => {
      t.timeout(120_000);
      return work(t);
    }),
  );
};

const eventOf = (n: number): string =>
  JSON.stringify({ id: `e${n}`, type: 'create', time: '2030-01-01T00:00:00Z', path: `f/${n}`, size: n });

/** How many events the log holds, how many ids they have, and the last offset: all three the same. */
const countsOf = async (data: string): Promise<number[]> => {
  const log = await openLogForReading(join(data, 'events.db'));
  const counts = await log.database.get<{ events: number; ids: number; last: number }>(
    'SELECT count(*) AS events, count(DISTINCT id) AS ids, max("offset") AS last FROM event',
  );
  await log.close();
  return counts ? [counts.events, counts.ids, counts.last] : [];
};

for (const failpoint of failpoints.ids) {
  killed(`killed at ${failpoint}: every id counts once, however many there are`, async (t) => {
    const data = await freshFolder();
    const file = join(data, 'events.jsonl');
    const count = heldIdsMax + 5_001;
    await writeFile(file, Array.from({ length: count }, (_, n) => eventOf(n)).join('\n'));
    const first = await runKilled(['ingest', file], { DATA_DIR: data }, failpoint);
    t.is(first.code, null, `${failpoint} was not reached: ${first.stderr}`);
    t.is((await runUntilDone(['ingest', file], { DATA_DIR: data })).code, 0);
    t.deepEqual(await countsOf(data), [count, count, count]);
    const { stdout } = await runCli(['ingest', '--json', file], { DATA_DIR: data });
    t.like(JSON.parse(stdout), { appended: 0, duplicates: count });
  });
}

const queueTests = ['receive.after', 'append.written', 'append.committed', 'ack.before', 'ack.after'] as const;
for (const failpoint of queueTests) {
  killed(
    `a consumer of SQS killed at ${failpoint}: the queue gives again what it must, nothing counts twice`,
    async (t) => {
      const server = await startFauxqsServer();
      const access = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
      const client = new SQSClient({ endpoint: server.url, region: server.region, credentials: access });
      const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: 'events' }));
      const count = 20;
      for (const from of [0, 10]) {
        const Entries = Array.from({ length: 10 }, (_, n) => ({ Id: `${n}`, MessageBody: eventOf(from + n) }));
        await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
      }
      const data = await freshFolder();
      const environment = {
        DATA_DIR: data,
        SQS_QUEUE_URL: QueueUrl as string,
        SQS_ENDPOINT: server.url,
        SQS_VISIBILITY: '2',
        AWS_REGION: server.region,
        CUSTOMER_S3_ACCESS_KEY: server.accessKey,
        CUSTOMER_S3_SECRET_KEY: server.secretKey,
        BATCH_MESSAGES: '7',
      };
      const first = await runKilled(['subscribe'], environment, failpoint);
      t.is(first.code, null, `${failpoint} was not reached: ${first.stderr}`);
      const second = startCli(['subscribe'], environment);
      const left = async (): Promise<number> => {
        const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
        const { Attributes } = await client.send(
          new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...names] }),
        );
        return names.reduce((sum, name) => sum + Number(Attributes?.[name]), 0);
      };
      for (let look = 0; look < 400 && (await left()) > 0; look += 1)
        await new Promise((resolve) => setTimeout(resolve, 100));
      t.is(await left(), 0);
      second.child.kill('SIGTERM');
      t.is((await second.finished).code, 0);
      t.deepEqual(await countsOf(data), [count, count, count]);
      client.destroy();
      await server.stop();
    },
  );
}

const settingsOf = (world: World): Record<string, string> => ({ ...environmentOf(world), SYNC_INTERVAL: '3600' });

for (const failpoint of failpoints.undo) {
  killed(
    `killed at ${failpoint}: an undo that is run again brings back what is missing, and tells of it once`,
    async (t) => {
      const world = await createWorld({ trashRetentionMs: 3_600_000 });
      try {
        for (const path of ['a', 'b', 'keep']) await world.put(path, `content of ${path}`);
        await world.cycle();
        for (const path of ['a', 'b']) {
          await world.writer.delete(path);
          await world.append({ type: 'delete', path });
        }
        const { plan, report } = await world.cycle({ gate: { ...gateLimits, deleteShareMax: 1 } });
        t.is(report.status, 'done');
        await world.release();
        const environment = settingsOf(world);
        const first = await runKilled(['undo', plan.id], environment, failpoint);
        t.is(first.code, null, `${failpoint} was not reached: ${first.stderr}`);
        t.is((await runUntilDone(['undo', plan.id], environment)).code, 0);
        const held: string[] = [];
        for await (const { path } of world.client.list()) held.push(path);
        t.deepEqual(held.sort(), ['a', 'b', 'keep']);
        const log = await openLogForReading(world.config.paths.log);
        const told = await log.database.all<{ path: string }>(
          "SELECT path FROM event WHERE id GLOB 'outcome:undo:*' ORDER BY path",
        );
        await log.close();
        t.deepEqual(told, [{ path: 'a' }, { path: 'b' }]);
      } finally {
        await world.close();
      }
    },
  );
}

for (const failpoint of ['undo.noted', 'undo.answered'] as const) {
  killed(
    `killed at ${failpoint}: who never runs the undo again keeps no file that only the file manager knows`,
    async (t) => {
      const world = await createWorld({ trashRetentionMs: 3_600_000 });
      try {
        const environment = settingsOf(world);
        const { put, writer, append, cycle } = world;
        for (const path of ['a', 'b', 'keep']) await put(path, `content of ${path}`);
        await cycle();
        for (const path of ['a', 'b']) {
          await writer.delete(path);
          await append({ type: 'delete', path });
        }
        const { plan } = await cycle({ gate: { ...gateLimits, deleteShareMax: 1 } });
        await world.release();
        t.is((await runKilled(['undo', plan.id], environment, failpoint)).code, null);
        const sync = ['incremental-sync', '--no-drain'];
        const event = { id: 'again', type: 'create', time: '2030-01-01T00:00:00Z', path: 'a', size: 6 };
        await writer.put('a', Buffer.from('second'));
        t.is((await runCli(['ingest', '-'], environment, JSON.stringify(event))).code, 0);
        t.is((await runCli(sync, environment)).code, 0);
        const verified = await runCli(['verify', '--checksum'], environment);
        t.is(verified.code, 0, verified.stdout);

        await writer.delete('a');
        const gone = { id: 'gone', type: 'delete', time: '2030-01-02T00:00:00Z', path: 'a' };
        t.is((await runCli(['ingest', '-'], environment, JSON.stringify(gone))).code, 0);
        t.is((await runCli(sync, environment)).code, 0);
        const undone = await runCli(['undo', plan.id, '--json'], environment);
        const { restored } = JSON.parse(undone.stdout) as { restored: string[] };
        const held: string[] = [];
        for await (const { path } of world.client.list()) held.push(path);
        t.deepEqual(held.sort(), [...restored, 'keep'].sort(), 'what is said to be back is back, and nothing else');
      } finally {
        await world.close();
      }
    },
  );
}

/** A daemon that has ended its first cycle; it dies at the failpoint once a command was handed over to it. */
const startDaemon = async (environment: Record<string, string>) => {
  const daemon = startCli(['daemon'], { ...environment, LOG_LEVEL: 'info' });
  const lines = createInterface({ input: daemon.child.stderr as NodeJS.ReadableStream });
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => line.includes('cycle ended') && resolve());
    once(daemon.child, 'close').then(() => reject(new Error('the daemon ended')));
  });
  return daemon;
};

for (const failpoint of failpoints.handOver) {
  killed(`a daemon killed at ${failpoint}: who handed over is told, and the command can be run again`, async (t) => {
    const world = await createWorld();
    const environment = settingsOf(world);
    await world.release();
    await world.writer.put('first', Buffer.from('first'));
    const daemon = await startDaemon({ ...environment, FAILPOINT: failpoint });
    try {
      await world.writer.put('second', Buffer.from('second'));
      const handed = await runCli(['initial-sync'], environment);
      t.is((await daemon.finished).code, null, `${failpoint} was not reached`);
      if (failpoint === 'hand-over.answered') t.true(handed.code === 0 || handed.code === 1, handed.stderr);
      else {
        t.is(handed.code, 1);
        t.regex(handed.stderr, /ended before it had answered: run the command again/);
      }
      const again = await startDaemon(environment);
      const repeated = await runCli(['initial-sync'], environment);
      t.is(repeated.code, 0, repeated.stderr);
      const verified = await runCli(['verify', '--checksum'], environment);
      t.is(verified.code, 0, verified.stdout + verified.stderr);
      again.child.kill('SIGTERM');
      t.is((await again.finished).code, 0);
    } finally {
      await world.close();
    }
  });
}

test('a process is killed at every failpoint that there is', (t) => {
  const here = ['ids', 'undo', 'handOver'];
  const there = ['service', 'scan', 'replay', 'http', 'fileManager'];
  t.deepEqual(Object.keys(failpoints).sort(), [...here, ...there].sort());
});
