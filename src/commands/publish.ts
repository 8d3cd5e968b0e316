import { decode } from '../../events/decode.ts';
import { ConfigError, exitCode, FatalError } from '../errors.ts';
import { readLines } from '../sources/lines.ts';
import { insistReachable } from '../sources/reachable.ts';
import type { Context } from './context.ts';
import { inputOf } from './ingest.ts';
import { sqsAccess } from './sources.ts';

type Outgoing = {
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly orderingKey?: string;
};
type Publisher = { publish(messages: readonly Outgoing[]): Promise<unknown>; close(): Promise<void> };

const batch = 100;

const publisherOf = async (context: Context): Promise<Publisher> => {
  const { config } = context;
  const topic = config.optional('PUBSUB_TOPIC');
  if (topic !== undefined) {
    config.require(['PUBSUB_PROJECT'], 'publishing to Pub/Sub');
    const { createPubSubPublisher } = await import('../sources/pubsub-publisher.ts');
    const emulatorHost = config.optional('PUBSUB_EMULATOR_HOST');
    if (emulatorHost !== undefined) await insistReachable(emulatorHost, 'PUBSUB_EMULATOR_HOST');
    const publisher = createPubSubPublisher({
      project: config.text('PUBSUB_PROJECT'),
      topic,
      ...(emulatorHost !== undefined && { emulatorHost }),
    });
    return {
      publish: (messages) =>
        publisher.publish(messages.map((message) => ({ ...message, body: Buffer.from(message.body) }))),
      close: publisher.close,
    };
  }
  if (config.optional('SQS_QUEUE_URL') !== undefined) {
    const { createSqsPublisher } = await import('../sources/sqs-publisher.ts');
    const publisher = createSqsPublisher(sqsAccess(context));
    return {
      publish: (messages) =>
        publisher.publish(
          messages.map(({ body, attributes, orderingKey }) => ({
            body: Buffer.from(body),
            attributes,
            ...(orderingKey !== undefined && { group: orderingKey }),
          })),
        ),
      close: publisher.close,
    };
  }
  throw new ConfigError("'s3-sync publish' needs PUBSUB_TOPIC or SQS_QUEUE_URL");
};

/** Publishes native events, a line each. All lines are checked first: a mistake publishes nothing. */
export const runPublish = async (context: Context, file: string, flags: { ordered?: boolean }): Promise<number> => {
  const outgoing: Outgoing[] = [];
  for await (const lines of readLines((await inputOf(file)) as AsyncIterable<Buffer>)) {
    for (const { number, bytes, oversize } of lines) {
      const body = bytes.toString('utf8');
      if (!oversize && body.trim() === '') continue;
      const [decoded] = oversize ? [] : decode({ body: bytes, attributes: {} }, { format: 'native' });
      if (decoded?.kind !== 'event') {
        const reason = oversize ? `${oversize.length} bytes are too long` : 'no event';
        throw new FatalError(
          `${file}, line ${number}: ${decoded?.kind === 'reject' ? decoded.reason : reason}; nothing was published`,
        );
      }
      outgoing.push({ body, attributes: {}, ...(flags.ordered && { orderingKey: decoded.event.path }) });
    }
  }
  const publisher = await publisherOf(context);
  try {
    for (let at = 0; at < outgoing.length; at += batch) await publisher.publish(outgoing.slice(at, at + batch));
  } finally {
    await publisher.close();
  }
  context.print(`${outgoing.length} events published\n`);
  return exitCode.done;
};
