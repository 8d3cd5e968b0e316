import { S3Client } from '@aws-sdk/client-s3';
import { FatalError, RetryableError } from '../errors.ts';
import { followingSignals } from '../follow-signals.ts';
import { type Asked, asBucketError, type BucketSettings } from './errors.ts';

export type Connection = {
  /** Empty for AWS itself; with one, buckets are addressed by path. */
  readonly endpoint?: string | undefined;
  readonly region: string;
  /** Both or neither: without them, the environment's own credentials are used (role, profile). */
  readonly accessKey?: string | undefined;
  readonly secretKey?: string | undefined;
  readonly bucket: string;
  /** Those that it comes from, named where they are wrong. Default: those of the customer's bucket. */
  readonly settings?: BucketSettings | undefined;
  /** Longest wait for an answer to start, and then for its next piece, in milliseconds. */
  readonly silenceMsMax?: number;
  /** How often the SDK sends a request whose failure may pass, the first time included. */
  readonly attemptsMax?: number;
};

const defaults = { silenceMsMax: 60_000, attemptsMax: 3, connectMsMax: 5_000 };
const socketsMax = 256;
/** Every failure is thrown, and told where it is decided about; without a logger the SDK writes lines of its own. */
const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * A client that reads or writes. The SDK's limit on silence also counts while a slow reader lets a download wait, so it is
 * for writing; for reading it limits the time until an answer starts, and whoever reads the body does the rest.
 */
export const connect = (options: Connection, use: 'read' | 'write'): S3Client => {
  const { endpoint, region, accessKey, secretKey } = options;
  const silenceMsMax = options.silenceMsMax ?? defaults.silenceMsMax;
  const client = new S3Client({
    region,
    logger,
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    ...(accessKey !== undefined &&
      secretKey !== undefined && { credentials: { accessKeyId: accessKey, secretAccessKey: secretKey } }),
    maxAttempts: options.attemptsMax ?? defaults.attemptsMax,
    requestHandler: {
      connectionTimeout: defaults.connectMsMax,
      ...(use === 'read'
        ? { requestTimeout: silenceMsMax, throwOnRequestTimeout: true }
        : { socketTimeout: silenceMsMax }),
      httpsAgent: { maxSockets: socketsMax },
      httpAgent: { maxSockets: socketsMax },
    },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  keepServerDate(client);
  askForChecksums(client);
  return client;
};

/** The server's own clock tells what an answer has observed; the SDK keeps it to itself. */
const keepServerDate = (client: S3Client): void => {
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as { headers?: Record<string, string> };
      const time = Date.parse(headers?.['date'] ?? '');
      if (!Number.isNaN(time) && result.output)
        Object.assign(result.output, { observedAt: new Date(time).toISOString() });
      return result;
    },
    { step: 'deserialize', name: 'keepServerDate', priority: 'high' },
  );
};

/** Asked for here and not through `ChecksumMode`, with which the SDK would check, and could not go on after a break. */
const askForChecksums = (client: S3Client): void => {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const { headers } = args.request as { headers: Record<string, string> };
        if (commandName === 'GetObjectCommand' && headers['range'] === undefined)
          headers['x-amz-checksum-mode'] = 'ENABLED';
        return next(args);
      },
    { step: 'build', name: 'askForChecksums' },
  );
};

/** When the server answered, by its own clock: RFC 3339, UTC, whole seconds. */
export const observedAtOf = (output: object): string => {
  const { observedAt } = output as { observedAt?: string };
  if (observedAt === undefined)
    throw new FatalError('the S3 endpoint sends no Date header, so nobody knows when its answer held');
  return observedAt.replace(/\.\d+Z$/, 'Z');
};

/** Sends a request; every failure is one of `src/errors.ts`, and an abort stays an abort. */
export const guarded = async <T>(asked: Asked, call: () => Promise<T>): Promise<T> => {
  try {
    return await call();
  } catch (error) {
    throw asBucketError(error, asked);
  }
};

export const abortable = (signal: AbortSignal | undefined): { abortSignal?: AbortSignal } =>
  signal ? { abortSignal: signal } : {};

/** For requests whose whole answer is small: also its end is waited for only so long. */
export const guardedSmall = async <T>(
  asked: Asked,
  { silenceMsMax = defaults.silenceMsMax, attemptsMax = defaults.attemptsMax }: Connection,
  signal: AbortSignal | undefined,
  call: (options: { abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> => {
  const limitMs = silenceMsMax * (attemptsMax + 1);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), limitMs);
  try {
    return await followingSignals(signal ? [signal, late.signal] : [late.signal], (abortSignal) =>
      guarded(asked, () => call({ abortSignal })),
    );
  } catch (error) {
    if (late.signal.aborted && !signal?.aborted)
      throw new RetryableError(`${asked.what}: the bucket did not finish its answer within ${limitMs} ms`, {
        cause: error,
      });
    throw error;
  } finally {
    clearTimeout(timer);
  }
};

/** An etag without the quotes that HTTP puts around it. */
export const bareEtag = (etag: string | undefined): string => (etag ?? '').replaceAll('"', '');

export const isoTime = (date: Date | undefined): string => (date ?? new Date(0)).toISOString();
