import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { ConfigError, messageOf, RetryableError } from '../errors.ts';
import { backoffMs, pause } from './backoff.ts';

export type SqsConnection = {
  readonly queueUrl: string;
  readonly endpoint?: string | undefined;
  readonly region: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
};

/** SQS takes and gives at most this many in one request. */
export const batchMax = 10;
const attempts = 3;

export const connectSqs = ({ endpoint, region, credentials }: Omit<SqsConnection, 'queueUrl'>): SQSClient =>
  new SQSClient({ region, ...(endpoint ? { endpoint } : {}), ...(credentials ? { credentials } : {}) });

export const isFifo = (queueUrl: string): boolean => queueUrl.endsWith('.fifo');

/** Error names of SQS, of its older protocol, and of the client itself that no retry repairs. */
const permanent = new Set([
  'QueueDoesNotExist',
  'AWS.SimpleQueueService.NonExistentQueue',
  'QueueDeletedRecently',
  'AccessDenied',
  'AccessDeniedException',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'MissingAuthenticationToken',
  'SignatureDoesNotMatch',
  'InvalidSignatureException',
  'InvalidAddress',
  'InvalidSecurity',
  'KmsAccessDenied',
  'KmsDisabled',
  'KmsNotFound',
  'UnsupportedOperation',
  'InvalidParameterValue',
  'CredentialsProviderError',
]);

/** A ConfigError when only a person can repair it; undefined when another attempt may do. */
export const misconfigured = (error: unknown, queueUrl: string, doing: string): ConfigError | undefined => {
  if (error instanceof ConfigError) return error;
  if (!(error instanceof Error)) return undefined;
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  const denied = (status === 401 || status === 403) && !/throttl/i.test(error.name);
  if (!permanent.has(error.name) && !denied) return undefined;
  const text = `${doing} SQS_QUEUE_URL "${queueUrl}" failed for good: ${error.name}: ${messageOf(error)}; check the queue, the region, and what the credentials may do`;
  return new ConfigError(text, { cause: error });
};

const chunks = <T>(items: readonly T[]): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(items.length / batchMax) }, (_, n) => items.slice(n * batchMax, (n + 1) * batchMax));

type Failure = { readonly Id: string | undefined; readonly SenderFault: boolean | undefined };

/** Requests of one call under way at once, where their order is of no concern. */
const concurrency = 8;

/**
 * Sends entries ten at a time. SQS reports failure by entry: those that are its own fault are sent again, and so is a
 * whole request that failed. Resolves with what failed to the last; throws ConfigError when only a person can repair it.
 */
export const sendAll = async <E extends { readonly Id: string }>(
  entries: readonly E[],
  queueUrl: string,
  send: (entries: E[]) => Promise<{ Failed?: Failure[] | undefined }>,
  order: 'any' | 'kept' = 'any',
): Promise<readonly E[]> => {
  const never = new AbortController().signal;
  const hopeless: E[] = [];
  let rest = entries;
  for (let attempt = 0; attempt < attempts && rest.length > 0; attempt += 1) {
    if (attempt > 0) await pause(backoffMs(attempt, 2_000), never);
    const failed: E[] = [];
    const sendOne = async (chunk: readonly E[]): Promise<void> => {
      try {
        const { Failed = [] } = await send([...chunk]);
        const faults = new Map(Failed.map(({ Id, SenderFault }) => [Id, SenderFault]));
        for (const entry of chunk) if (faults.has(entry.Id)) (faults.get(entry.Id) ? hopeless : failed).push(entry);
      } catch (error) {
        const problem = misconfigured(error, queueUrl, 'using');
        if (problem) throw problem;
        failed.push(...chunk);
      }
    };
    const waiting = chunks(rest)[Symbol.iterator]();
    const work = async (): Promise<void> => {
      for (const chunk of waiting) await sendOne(chunk);
    };
    await Promise.all(Array.from({ length: order === 'kept' ? 1 : concurrency }, work));
    rest = failed;
  }
  return [...hopeless, ...rest];
};

/** Creates the queue, or finds it. Resolves with its URL. */
export const ensureQueue = async (
  options: Omit<SqsConnection, 'queueUrl'> & {
    readonly queueName: string;
    readonly attributes?: Readonly<Record<string, string>>;
  },
): Promise<string> => {
  const client = connectSqs(options);
  try {
    const { QueueUrl } = await client.send(
      new CreateQueueCommand({ QueueName: options.queueName, Attributes: { ...options.attributes } }),
    );
    if (!QueueUrl) throw new RetryableError(`SQS gave no URL for the queue "${options.queueName}"`);
    return QueueUrl;
  } finally {
    client.destroy();
  }
};
