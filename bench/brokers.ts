import { CreateQueueCommand, DeleteQueueCommand, SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import { PubSub } from '@google-cloud/pubsub';
import { toNative } from '../events/native-json.ts';
import { startFauxqsServer } from '../test/support/fauxqs.ts';
import { startPubsubEmulator } from '../test/support/pubsub-emulator.ts';
import { batchesOf, eventsOf } from './data.ts';

/** A broker with one inbox for each contender, so that both find the same backlog. */
export type Broker = {
  readonly address: string;
  /** Name of the contender's subscription, or URL of its queue. */
  inboxOf(contender: 'ours' | 'peer'): string;
  /** Fills both inboxes with messages of their own round. */
  fill(count: number, round: number): Promise<void>;
  stop(): Promise<void>;
};

const bodiesOf = (count: number, round: number): Iterable<Buffer[]> => {
  const texts = (function* () {
    for (const event of eventsOf(count, 100 + round)) yield Buffer.from(JSON.stringify(toNative(event)));
  })();
  return batchesOf(texts, 1_000);
};

export const startPubSub = async (): Promise<Broker> => {
  const emulator = await startPubsubEmulator({ heapGb: 4 });
  const client = new PubSub({
    projectId: emulator.projectId,
    apiEndpoint: emulator.host,
    emulatorMode: true,
    clientOptions: { universeDomain: 'googleapis.com' },
  });
  const [topic] = await client.createTopic('bench');
  for (const who of ['ours', 'peer']) await topic.createSubscription(who, { ackDeadlineSeconds: 60 });
  return {
    address: emulator.host,
    inboxOf: (who) => who,
    fill: async (count, round) => {
      for (const bodies of bodiesOf(count, round))
        await Promise.all(bodies.map((data) => topic.publishMessage({ data })));
    },
    stop: async () => {
      await client.close();
      await emulator.stop();
    },
  };
};

export const startSqs = async (): Promise<Broker> => {
  const server = await startFauxqsServer();
  const client = new SQSClient({
    endpoint: server.url,
    region: server.region,
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
  });
  const urls = new Map<string, string>();
  for (const who of ['ours', 'peer']) {
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: who }));
    urls.set(who, QueueUrl as string);
  }
  return {
    address: server.url,
    inboxOf: (who) => urls.get(who) as string,
    fill: async (count, round) => {
      for (const [QueueName, QueueUrl] of urls) {
        // A queue of its own: the server still holds the long polls of the round before, and would answer them.
        await client.send(new DeleteQueueCommand({ QueueUrl }));
        await client.send(new CreateQueueCommand({ QueueName }));
        for (const bodies of bodiesOf(count, round)) {
          for (const ten of batchesOf(bodies, 10)) {
            const Entries = ten.map((body, index) => ({ Id: String(index), MessageBody: body.toString() }));
            await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
          }
        }
      }
    },
    stop: async () => {
      client.destroy();
      await server.stop();
    },
  };
};
