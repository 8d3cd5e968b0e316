import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { ConfigError, messageOf, RetryableError } from '../errors.ts';
import { backoffMs, pause } from './backoff.ts';

export type SqsConnection = {
  readonly queueUrl: string;
  /** By default the queue's own address. */
  readonly endpoint?: string | undefined;
  readonly region: string;
  /** By default those of the environment (role, profile). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
};

/** SQS takes and gives at most this many in one request. */
export const batchMax = 10;
const attempts = 3;
const connectMsMax = 5_000;
/** Far longer than a receive waits at SQS. */
const answerMsMax = 40_000;

/** Without an endpoint the SDK would go by the queue's address as well, and write so on standard error at each request. */
export const connectSqs = ({
  endpoint,
  queueUrl,
  region,
  credentials,
}: Omit<SqsConnection, 'queueUrl'> & { readonly queueUrl?: string }): SQSClient => {
  const at = endpoint ?? (queueUrl === undefined ? undefined : new URL(queueUrl).origin);
  return new SQSClient({
    region,
    ...(at ? { endpoint: at } : {}),
    ...(credentials ? { credentials } : {}),
    requestHandler: { connectionTimeout: connectMsMax, requestTimeout: answerMsMax, throwOnRequestTimeout: true },
  });
};

export const isFifo = (queueUrl: string): boolean => queueUrl.endsWith('.fifo');

/** SQS's older protocol has it before some of its names, and so have other servers. */
const olderPrefix = /^AWS\.SimpleQueueService\./;

/** Error names of SQS, of its older protocol, and of the client itself that no retry repairs. */
const permanent = new Set([
  'QueueDoesNotExist',
  'NonExistentQueue',
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
  'InvalidParameterCombination',
  'InvalidAttributeValue',
  'MissingParameter',
  'ValidationError',
]);

/** A ConfigError when only a person can repair it; undefined when another attempt may do. */
export const misconfigured = (error: unknown, queueUrl: string, doing: string): ConfigError | undefined => {
  if (error instanceof ConfigError) return error;
  if (!(error instanceof Error)) return undefined;
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  const denied = (status === 401 || status === 403) && !/throttl|overlimit/i.test(error.name);
  if (error.name === 'CredentialsProviderError')
    return new ConfigError(
      `there are no credentials for SQS_QUEUE_URL "${queueUrl}": set CUSTOMER_S3_ACCESS_KEY and CUSTOMER_S3_SECRET_KEY, which SQS uses too`,
      { cause: error },
    );
  if (!permanent.has(error.name.replace(olderPrefix, '')) && !denied) return undefined;
  const text = `${doing} SQS_QUEUE_URL "${queueUrl}" failed for good: ${error.name}: ${messageOf(error)}; check the queue, CUSTOMER_S3_REGION, and what the credentials may do (CUSTOMER_S3_ACCESS_KEY, CUSTOMER_S3_SECRET_KEY)`;
  return new ConfigError(text, { cause: error });
};

/** What one request may carry: AWS takes 1 MiB, and took 256 KiB before, as other servers still do. */
const batchBytesMax = 256 * 1024;

/** Ten at most, and no more bytes than a request may carry; an entry that is larger goes alone. */
const chunksOf = <E>(entries: readonly E[], bytesOf: (entry: E) => number): readonly (readonly E[])[] => {
  const chunks: E[][] = [];
  let bytes = 0;
  for (const entry of entries) {
    const chunk = chunks.at(-1);
    const more = bytesOf(entry);
    if (chunk && chunk.length < batchMax && bytes + more <= batchBytesMax) {
      chunk.push(entry);
      bytes += more;
    } else {
      chunks.push([entry]);
      bytes = more;
    }
  }
  return chunks;
};

type Failure = {
  readonly Id: string | undefined;
  readonly SenderFault: boolean | undefined;
  readonly Code?: string | undefined;
  readonly Message?: string | undefined;
};

/** An entry that SQS did not take, and why. */
export type Lost<E> = { readonly entry: E; readonly reason: string };

/** Requests of one call under way at once, where their order is of no concern. */
const concurrency = 8;

export type Sending<E> = {
  /** Bytes of an entry that count towards those of a request; by default none. */
  readonly bytesOf?: (entry: E) => number;
  /** `kept`: one request after the other, and none after one that failed to the last. */
  readonly order?: 'any' | 'kept';
  /** Aborted: what was not taken by then is given up; `send` must heed it too. */
  readonly signal?: AbortSignal;
};

/**
 * Sends entries ten at a time. SQS reports failure by entry: those that are its own fault are sent again, and so is a
 * whole request that failed. Resolves with what failed to the last, or was not tried any more; throws ConfigError when
 * only a person can repair it.
 */
export const sendAll = async <E extends { readonly Id: string }>(
  entries: readonly E[],
  queueUrl: string,
  send: (entries: E[]) => Promise<{ Failed?: Failure[] | undefined }>,
  { bytesOf = () => 0, order = 'any', signal = new AbortController().signal }: Sending<E> = {},
): Promise<readonly Lost<E>[]> => {
  const sendOne = async (chunk: readonly E[], failed: Lost<E>[], hopeless: Lost<E>[]): Promise<void> => {
    try {
      const { Failed = [] } = await send([...chunk]);
      const failures = new Map(Failed.map((failure) => [failure.Id, failure]));
      for (const entry of chunk) {
        const failure = failures.get(entry.Id);
        if (!failure) continue;
        const reason = [failure.Code, failure.Message].filter(Boolean).join(': ');
        (failure.SenderFault ? hopeless : failed).push({ entry, reason });
      }
    } catch (error) {
      const problem = misconfigured(error, queueUrl, 'using');
      if (problem) throw problem;
      const told = error instanceof Error ? `${error.name}: ${error.message}` : messageOf(error);
      const reason = signal.aborted ? 'SQS did not answer in time' : told;
      failed.push(...chunk.map((entry) => ({ entry, reason })));
    }
  };
  const attempt = async (all: readonly E[]): Promise<readonly Lost<E>[]> => {
    const hopeless: Lost<E>[] = [];
    let lost: readonly Lost<E>[] = [];
    let rest = all;
    for (let tries = 0; tries < attempts && rest.length > 0; tries += 1) {
      if (tries > 0) await pause(backoffMs(tries, 2_000), signal);
      const failed: Lost<E>[] = [];
      const waiting = chunksOf(rest, bytesOf)[Symbol.iterator]();
      const work = async (): Promise<void> => {
        for (const chunk of waiting) await sendOne(chunk, failed, hopeless);
      };
      await Promise.all(Array.from({ length: concurrency }, work));
      lost = failed;
      rest = failed.map(({ entry }) => entry);
    }
    return [...hopeless, ...lost];
  };
  if (order === 'any') return attempt(entries);
  let sent = 0;
  for (const chunk of chunksOf(entries, bytesOf)) {
    const lost = await attempt(chunk);
    sent += chunk.length;
    const untried = entries.slice(sent).map((entry) => ({ entry, reason: 'one before it failed' }));
    if (lost.length > 0) return [...lost, ...untried];
  }
  return [];
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
