import { ConfigError } from '../errors.ts';
import type { Source } from '../sources/source.ts';
import type { Context } from './context.ts';

export type SourceName = 'pubsub' | 'sqs' | 'http';

/** The source that is named, or the one that is configured. Undefined when none is. */
export const sourceNameOf = ({ config }: Context, named?: string): SourceName | undefined => {
  const chosen = named ?? config.optional('SOURCE');
  if (chosen !== undefined) {
    if (chosen === 'pubsub' || chosen === 'sqs' || chosen === 'http') return chosen;
    throw new ConfigError(`there is no source ${JSON.stringify(chosen)}: expected pubsub, sqs or http`);
  }
  if (config.optional('PUBSUB_SUBSCRIPTION')) return 'pubsub';
  if (config.optional('SQS_QUEUE_URL')) return 'sqs';
  return config.optional('HTTP_PORT') ? 'http' : undefined;
};

export const sqsAccess = ({ config }: Context) => {
  const accessKeyId = config.optional('CUSTOMER_S3_ACCESS_KEY');
  const secretAccessKey = config.optional('CUSTOMER_S3_SECRET_KEY');
  const endpoint = config.optional('SQS_ENDPOINT');
  return {
    queueUrl: config.text('SQS_QUEUE_URL'),
    region: config.text('CUSTOMER_S3_REGION'),
    ...(endpoint !== undefined && { endpoint }),
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && { credentials: { accessKeyId, secretAccessKey } }),
  };
};

/** Opens the source; each adapter's library is loaded only where it is used. */
export const openSource = async (context: Context, name: SourceName): Promise<Source> => {
  const { config } = context;
  if (name === 'pubsub') {
    config.require(['PUBSUB_PROJECT', 'PUBSUB_SUBSCRIPTION'], 'the Pub/Sub source');
    const { createPubSubSource } = await import('../sources/pubsub.ts');
    const emulatorHost = config.optional('PUBSUB_EMULATOR_HOST');
    return createPubSubSource({
      project: config.text('PUBSUB_PROJECT'),
      subscription: config.text('PUBSUB_SUBSCRIPTION'),
      ...(emulatorHost !== undefined && { emulatorHost }),
    });
  }
  if (name === 'sqs') {
    config.require(['SQS_QUEUE_URL'], 'the SQS source');
    const { createSqsSource } = await import('../sources/sqs.ts');
    return createSqsSource({ ...sqsAccess(context), visibilitySeconds: config.number('SQS_VISIBILITY') });
  }
  config.require(['HTTP_PORT'], 'the HTTP source');
  const { createHttpSource } = await import('../sources/http.ts');
  const token = config.optional('HTTP_TOKEN');
  const audience = config.optional('PUSH_AUDIENCE');
  const email = config.optional('PUSH_EMAIL');
  const source = await createHttpSource({
    host: config.text('HTTP_HOST'),
    port: config.number('HTTP_PORT'),
    ...(token !== undefined && { token }),
    ...(audience !== undefined && email !== undefined && { push: { audience, email } }),
  });
  context.logger.info({ url: source.url }, 'receiver is listening');
  return source;
};
