import { setTimeout as sleep } from 'node:timers/promises';
import { createSqsSource } from '../../src/sources/sqs.ts';
import { createSqsPublisher } from '../../src/sources/sqs-publisher.ts';
import { accessOf, makeQueue } from '../sources/queue.ts';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';
import { serverTest } from '../support/servers.ts';

const create = (n: number) => ({ id: `e${n}`, type: 'create', time: '2026-01-01T00:00:00Z', path: `f${n}`, size: n });
/** The delete of one version: what is left of the key, only the bucket can tell. */
const unclear = {
  Records: [
    {
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      eventTime: '2026-03-14T09:26:53.589Z',
      eventName: 'ObjectRemoved:Delete',
      s3: { bucket: { name: 'documents' }, object: { key: 'k', versionId: 'v1', sequencer: '01' } },
    },
  ],
};

serverTest(
  'fauxqs',
  'while the bucket is away, a message that needs it takes no other one along',
  async (t, server) => {
    t.timeout(60_000);
    const queueUrl = await makeQueue(server);
    const publisher = createSqsPublisher({ queueUrl, ...accessOf(server) });
    const bodies = [create(1), unclear, ...Array.from({ length: 8 }, (_, n) => create(n + 2))];
    await publisher.publish(bodies.map((body) => ({ body: Buffer.from(JSON.stringify(body)), attributes: {} })));
    await publisher.close();
    const environment = {
      DATA_DIR: await freshFolder(),
      SQS_QUEUE_URL: queueUrl,
      SQS_ENDPOINT: server.url,
      SQS_VISIBILITY: '3',
      CUSTOMER_S3_ENDPOINT: 'http://127.0.0.1:1',
      CUSTOMER_S3_BUCKET: 'documents',
      CUSTOMER_S3_REGION: server.region,
      CUSTOMER_S3_ACCESS_KEY: server.accessKey,
      CUSTOMER_S3_SECRET_KEY: server.secretKey,
    };
    const subscriber = startCli(['subscribe'], environment);
    for (let offset = 0; offset < 9; await sleep(200)) {
      const { stdout } = await runCli(['status', '--json'], environment);
      if (stdout !== '') offset = JSON.parse(stdout).log.last_offset;
    }
    subscriber.child.kill('SIGTERM');
    const { code, stderr } = await subscriber.finished;
    t.is(code, 0, stderr);
    t.regex(
      stderr,
      /"messages":1,"reason":"ask about \\"k\\": the bucket cannot be reached.*messages wait for the bucket/,
    );
    const left = createSqsSource({ queueUrl, ...accessOf(server) });
    t.teardown(() => left.close());
    const { signal } = new AbortController();
    const back = await left.receive({ messagesMax: 10, bytesMax: 1e6, lingerMs: 500 }, { signal, idleMs: 20_000 });
    t.deepEqual(
      back.map(({ message }) => JSON.parse(message.body.toString())),
      [unclear],
    );
  },
);
