import type { Readable } from '../config/config.ts';
import type { SettingName } from '../config/settings.ts';
import { ConfigError } from '../errors.ts';
import type { HttpSourceOptions } from '../sources/http.ts';
import type { ReachNews } from '../sources/reach.ts';
import type { Source } from '../sources/source.ts';
import type { Context } from './context.ts';

export type SourceName = 'pubsub' | 'sqs' | 'http';

/** What switches each source on, in the order in which they are chosen from where nobody says which. */
const switches: readonly (readonly [SourceName, SettingName])[] = [
  ['pubsub', 'PUBSUB_SUBSCRIPTION'],
  ['sqs', 'SQS_QUEUE_URL'],
  ['http', 'HTTP_PORT'],
];

const configured = ({ optional }: Readable): readonly SourceName[] =>
  switches.filter(([, setting]) => optional(setting)).map(([name]) => name);

/** Says which sources are configured and not read, where nobody has said which is. */
export const tellUnread = ({ config, logger }: Context): void => {
  if (config.optional('SOURCE') !== undefined) return;
  const [source, ...others] = configured(config);
  const unread = others.map((name) => `SOURCE=${name}`);
  if (unread.length > 0)
    logger.warn({ source, unread }, 'several sources are configured and one is read: SOURCE says which');
};

/** The source that is named, or the first that is configured. Undefined when none is. */
export const sourceNameOf = (settings: Readable): SourceName | undefined =>
  (settings.optional('SOURCE') as SourceName | undefined) ?? configured(settings)[0];

/** The settings without which the source cannot be opened. */
export const neededBy = (name: SourceName | undefined): readonly SettingName[] => {
  if (name === 'pubsub') return ['PUBSUB_PROJECT', 'PUBSUB_SUBSCRIPTION'];
  if (name === 'sqs') return ['SQS_QUEUE_URL'];
  return name === 'http' ? ['HTTP_PORT'] : [];
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

export const pubSubAccess = ({ config }: Context) => ({
  project: config.text('PUBSUB_PROJECT'),
  emulatorHost: config.optional('PUBSUB_EMULATOR_HOST'),
});

const isLoopback = (url: string): boolean => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname);

/** What is wrong with the settings of who may send over HTTP: nobody could, or it was left unsaid. */
export const admissionProblems = ({ optional, flag }: Readable): string[] => {
  const audience = optional('PUSH_AUDIENCE');
  const email = optional('PUSH_EMAIL');
  const keysUrl = optional('PUSH_KEYS_URL');
  const problems: string[] = [];
  if ((audience === undefined) !== (email === undefined)) {
    const missing = audience === undefined ? 'PUSH_AUDIENCE' : 'PUSH_EMAIL';
    problems.push(`${missing} is not set: a Pub/Sub push token is checked against PUSH_AUDIENCE and PUSH_EMAIL`);
  } else if (audience === undefined && optional('HTTP_TOKEN') === undefined && !flag('HTTP_UNAUTHENTICATED'))
    problems.push(
      'the HTTP source does not know whom to let in: set HTTP_TOKEN for webhooks, PUSH_AUDIENCE and PUSH_EMAIL for Pub/Sub push, or HTTP_UNAUTHENTICATED=true to let in anyone',
    );
  if (keysUrl !== undefined && URL.canParse(keysUrl) && !keysUrl.startsWith('https:') && !isLoopback(keysUrl))
    problems.push('PUSH_KEYS_URL: expected an https address; whoever can change the keys can sign tokens');
  return problems;
};

/** Who may send over HTTP. Throws ConfigError when nobody could, or when it was left unsaid. */
export const admitsOf = ({ config }: Pick<Context, 'config'>): Pick<HttpSourceOptions, 'webhook' | 'push'> => {
  const problems = admissionProblems(config);
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  const token = config.optional('HTTP_TOKEN');
  const audience = config.optional('PUSH_AUDIENCE');
  const email = config.optional('PUSH_EMAIL');
  const issuer = config.optional('PUSH_ISSUER');
  const keysUrl = config.optional('PUSH_KEYS_URL');
  const open = config.flag('HTTP_UNAUTHENTICATED') ? 'unauthenticated' : undefined;
  const webhook = token === undefined ? open : { token };
  const push =
    audience === undefined || email === undefined
      ? open
      : {
          audience,
          email,
          ...(issuer !== undefined && { issuer }),
          ...(keysUrl !== undefined && { jwksUrl: keysUrl }),
        };
  return { ...(webhook && { webhook }), ...(push && { push }) };
};

/** Trouble that lasts is told as an error. Its end is as loud as its beginning: who has seen the one looks for the other. */
const tellNews =
  ({ logger }: Context, source: SourceName) =>
  (news: ReachNews): void => {
    const { seconds } = news;
    if (news.kind === 'back') return logger.warn({ source, seconds }, 'the source answers again');
    const severity = seconds < 60 ? 'warn' : 'error';
    logger[severity]({ source, reason: news.reason, seconds }, 'the source cannot be read, and is tried again');
  };

/** Opens the source; each adapter's library is loaded only where it is used. */
export const openSource = async (context: Context, name: SourceName): Promise<Source> => {
  const { config } = context;
  config.require(neededBy(name), `the source ${name}`);
  if (name === 'pubsub') {
    const { createPubSubSource } = await import('../sources/pubsub.ts');
    const { insistOnCredentials } = await import('../sources/pubsub-client.ts');
    const access = pubSubAccess(context);
    await insistOnCredentials(access);
    return createPubSubSource({
      ...access,
      subscription: config.text('PUBSUB_SUBSCRIPTION'),
      messagesMax: config.number('PUBSUB_MESSAGES_MAX'),
      leaseSecondsMax: config.number('LEASE_MAX'),
      onNews: tellNews(context, name),
    });
  }
  if (name === 'sqs') {
    const { createSqsSource } = await import('../sources/sqs.ts');
    return createSqsSource({
      ...sqsAccess(context),
      visibilitySeconds: config.number('SQS_VISIBILITY'),
      leaseSecondsMax: config.number('LEASE_MAX'),
      onNews: tellNews(context, name),
    });
  }
  const { createHttpSource } = await import('../sources/http.ts');
  const admits = admitsOf(context);
  const source = await createHttpSource({
    host: config.text('HTTP_HOST'),
    port: config.number('HTTP_PORT'),
    ...admits,
  });
  const open = (['webhook', 'push'] as const).filter((kind) => admits[kind] === 'unauthenticated');
  if (open.length > 0)
    context.logger.warn({ open }, 'HTTP_UNAUTHENTICATED IS SET: whoever reaches the receiver can feed it events');
  context.logger.info({ url: source.url }, 'receiver is listening');
  return source;
};
