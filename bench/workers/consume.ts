/**
 * Consumes COUNT messages of a subscription or a queue and ends: `ours` appends, projects and acks; `peer` uses the same
 * client with the same settings, and only acks. BROKER (pubsub, sqs) WHO ADDRESS NAME COUNT [DATA_DIR].
 */
import { join } from 'node:path';
import { takeIn } from '../../src/intake/intake.ts';
import { openLog } from '../../src/log/log.ts';
import { createFollower } from '../../src/projector/follow.ts';
import { openProjector } from '../../src/projector/projector.ts';
import { consume } from '../../src/sources/consume.ts';
import type { Source } from '../../src/sources/source.ts';

const [broker = '', who = '', address = '', name = '', text = '0', folder = ''] = process.argv.slice(2);
const count = Number(text);
const access = { region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
const pollers = 4;

/** As in the product, each broker's client is loaded only where it is used. */
const openSource = async (): Promise<Source> => {
  if (broker === 'pubsub') {
    const { createPubSubSource } = await import('../../src/sources/pubsub.ts');
    return createPubSubSource({ project: 'demo', emulatorHost: address, subscription: name });
  }
  const { createSqsSource } = await import('../../src/sources/sqs.ts');
  return createSqsSource({ ...access, endpoint: address, queueUrl: name, pollers });
};

const ours = async (): Promise<void> => {
  const logPath = join(folder, 'events.db');
  const log = await openLog(logPath);
  const projector = await openProjector({ path: join(folder, 'projections.db'), logPath, logId: log.logId });
  const source = await openSource();
  const stop = new AbortController();
  const limits = { messagesMax: 5_000, bytesMax: 64 * 1024 * 1024, lingerMs: 50 };
  const step = async (deliveries: Parameters<typeof takeIn>[0]) => {
    await follower.ready();
    return takeIn(deliveries, {
      log,
      sourceName: source.name,
      signal: stop.signal,
      onAppended: (events) => follower.grown(events.length, events),
    });
  };
  let taken = 0;
  const follower = createFollower(projector);
  await new Promise<void>((resolve, reject) => {
    consume(source, step, { limits, signal: stop.signal }).subscribe({
      next: (result) => {
        if (result.kind === 'committed') taken += result.counts.appended;
        if (taken >= count) resolve();
      },
      error: reject,
    });
  });
  await follower.end();
  await projector.close();
  await log.close();
};

const peerOfPubSub = async (): Promise<void> => {
  const { PubSub } = await import('@google-cloud/pubsub');
  const client = new PubSub({ projectId: 'demo', apiEndpoint: address, emulatorMode: true });
  const subscription = client.subscription(name, {
    flowControl: { allowExcessMessages: false, maxMessages: 10_000 },
    streamingOptions: { maxStreams: 1 },
  });
  let taken = 0;
  await new Promise<void>((resolve, reject) => {
    subscription.on('error', reject);
    subscription.on('message', (message) => {
      message.ack();
      taken += 1;
      if (taken >= count) resolve();
    });
  });
  await subscription.close();
  await client.close();
};

const peerOfSqs = async (): Promise<void> => {
  const { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } = await import('@aws-sdk/client-sqs');
  const client = new SQSClient({ ...access, endpoint: address });
  let taken = 0;
  await new Promise<void>((resolve, reject) => {
    const poll = async (): Promise<void> => {
      while (taken < count) {
        const { Messages = [] } = await client.send(
          new ReceiveMessageCommand({ QueueUrl: name, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
        );
        if (Messages.length === 0) continue;
        await client.send(
          new DeleteMessageBatchCommand({
            QueueUrl: name,
            Entries: Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle })),
          }),
        );
        taken += Messages.length;
      }
      resolve();
    };
    Promise.all(Array.from({ length: pollers }, poll)).catch(reject);
  });
};

await (who === 'ours' ? ours() : broker === 'pubsub' ? peerOfPubSub() : peerOfSqs());
process.exit(0);
