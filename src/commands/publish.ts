import { createWriteStream, rmSync } from 'node:fs';
import { mkdtemp, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { decode } from '../../events/decode.ts';
import type { Readable } from '../config/config.ts';
import { ConfigError, exitCode, FatalError, messageOf } from '../errors.ts';
import { readLines } from '../sources/lines.ts';
import { insistReachable } from '../sources/reachable.ts';
import { counted } from '../text.ts';
import type { Context } from './context.ts';
import { inputOf } from './ingest.ts';
import { pubSubAccess, sqsAccess } from './sources.ts';

type Outgoing = {
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly orderingKey?: string;
  readonly line: number;
};
type Publisher = { publish(messages: readonly Outgoing[]): Promise<unknown>; close(): Promise<void> };

/** What is in memory at once, beside one line. */
const batchMax = { messages: 100, bytes: 4 * 1024 * 1024 };

type Broker = 'pubsub' | 'sqs';

/** The one that `SOURCE` reads from, so that what is published comes back; otherwise the first that is configured. */
const brokerOf = ({ optional }: Readable): Broker | undefined => {
  const source = optional('SOURCE');
  if (source === 'pubsub' || source === 'sqs') return source;
  if (optional('PUBSUB_TOPIC') !== undefined) return 'pubsub';
  return optional('SQS_QUEUE_URL') === undefined ? undefined : 'sqs';
};

const publisherOf = async (context: Context): Promise<Publisher> => {
  const { config } = context;
  const broker = brokerOf(config);
  if (broker === 'pubsub') {
    config.require(['PUBSUB_PROJECT', 'PUBSUB_TOPIC'], 'publishing to Pub/Sub');
    const { createPubSubPublisher } = await import('../sources/pubsub-publisher.ts');
    const { insistOnCredentials } = await import('../sources/pubsub-client.ts');
    const access = pubSubAccess(context);
    if (access.emulatorHost !== undefined) await insistReachable(access.emulatorHost, 'PUBSUB_EMULATOR_HOST');
    await insistOnCredentials(access);
    const publisher = createPubSubPublisher({ ...access, topic: config.text('PUBSUB_TOPIC') });
    return {
      publish: (messages) =>
        publisher.publish(messages.map((message) => ({ ...message, body: Buffer.from(message.body) }))),
      close: publisher.close,
    };
  }
  if (broker === 'sqs') {
    config.require(['SQS_QUEUE_URL'], 'publishing to SQS');
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

/** A problem of one line; its text ends where the caller says what was published so far. */
type Mistake = { readonly mistake: string };

/** The events of a file in batches, and at its first mistake that. */
async function* batchesOf(path: string, ordered: boolean): AsyncGenerator<readonly Outgoing[] | Mistake> {
  let waiting: Outgoing[] = [];
  let size = 0;
  for await (const lines of readLines((await inputOf(path)) as AsyncIterable<Buffer>)) {
    for (const { number, bytes, oversize } of lines) {
      const body = bytes.toString('utf8');
      if (!oversize && body.trim() === '') continue;
      const [decoded] = oversize ? [] : decode({ body: bytes, attributes: {} }, { format: 'native' });
      if (decoded?.kind !== 'event') {
        const reason = oversize ? `${oversize.length} bytes are too long` : 'no event';
        yield { mistake: `line ${number}: ${decoded?.kind === 'reject' ? decoded.reason : reason}` };
        return;
      }
      waiting.push({ body, attributes: {}, line: number, ...(ordered && { orderingKey: decoded.event.path }) });
      size += bytes.length;
      if (waiting.length >= batchMax.messages || size >= batchMax.bytes) {
        yield waiting;
        waiting = [];
        size = 0;
      }
    }
  }
  if (waiting.length > 0) yield waiting;
}

const nothingPublished = (): FatalError => new FatalError('stopped: nothing was published');

/**
 * Carries out `work` on a file that can be read more than once: what comes by a pipe is kept in a temporary one meanwhile,
 * which only a crash leaves behind. Throws FatalError when the signal comes before all of the pipe did.
 */
const rereading = async <T>(file: string, signal: AbortSignal, work: (path: string) => Promise<T>): Promise<T> => {
  if (file !== '-' && (await stat(file).catch(() => undefined))?.isFile()) return await work(file);
  const input = await inputOf(file);
  const folder = await mkdtemp(join(tmpdir(), 's3-sync-publish-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  // A second signal ends the process at once.
  process.once('exit', remove);
  try {
    const path = join(folder, 'events.jsonl');
    await pipeline(input, createWriteStream(path), { signal }).catch((error: unknown) => {
      throw signal.aborted ? nothingPublished() : error;
    });
    return await work(path);
  } finally {
    process.off('exit', remove);
    remove();
  }
};

/**
 * Publishes native events, a line each. All lines are checked first: a mistake publishes nothing. The input is read twice
 * for that, and never held in memory. Throws FatalError at a mistake. After a crash, or a broker's error, publishing all
 * of it again is harmless: events keep their ids.
 */
export const runPublish = (context: Context, file: string, flags: { ordered?: boolean }): Promise<number> =>
  rereading(file, context.signal, async (path) => {
    const batches = () => batchesOf(path, flags.ordered === true);
    for await (const batch of batches()) {
      if ('mistake' in batch) throw new FatalError(`${file}, ${batch.mistake}; nothing was published`);
      if (context.signal.aborted) throw nothingPublished();
    }
    const publisher = await publisherOf(context);
    let published = 0;
    try {
      for await (const batch of batches()) {
        if ('mistake' in batch)
          throw new FatalError(`${file} was changed while it was read, ${batch.mistake}; ${published} were published`);
        if (context.signal.aborted)
          throw new FatalError(
            `stopped: ${counted(published, 'event was', 'events were')} published, and publishing all of them again is harmless`,
          );
        await publisher.publish(batch).catch((error: unknown) => {
          const lines = `lines ${batch[0]?.line} to ${batch.at(-1)?.line}`;
          const text = `${file}, ${lines}: ${messageOf(error)}; the ${counted(published, 'event before them was', 'events before them were')} published, and publishing all of it again is harmless`;
          throw new (error instanceof ConfigError ? ConfigError : FatalError)(text, { cause: error });
        });
        published += batch.length;
      }
    } finally {
      await publisher.close();
    }
    context.print(`${counted(published, 'event')} published\n`);
    return exitCode.done;
  });
