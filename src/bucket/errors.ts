import { ConfigError, FatalError, messageOf, RetryableError, SupersededError } from '../errors.ts';

/** The object is there and cannot be read now: archived, or this key is denied. It never blocks others. */
export class UnreadableError extends FatalError {}

type SdkError = Error & {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly Code?: string;
  readonly code?: string;
};

/** What an SDK error asks of the caller. `what` names the request, without secrets. */
export const asBucketError = (error: unknown, what: string, bucket: string): Error => {
  if (!(error instanceof Error)) return new FatalError(`${what}: ${messageOf(error)}`);
  if (error.name === 'AbortError') return error;
  const { $metadata, code = '' } = error as SdkError;
  const status = $metadata?.httpStatusCode;
  const cause = { cause: error };
  const name = (error as SdkError).Code ?? error.name;
  if (/^(InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken)$/.test(name)) {
    return new ConfigError(
      `the bucket refuses the credentials (${name}): check CUSTOMER_S3_ACCESS_KEY and CUSTOMER_S3_SECRET_KEY`,
      cause,
    );
  }
  if (name === 'RequestTimeTooSkewed')
    return new ConfigError("this machine's clock is too far from the bucket's: set the clock", cause);
  if (name === 'NoSuchBucket')
    return new ConfigError(
      `there is no bucket ${JSON.stringify(bucket)}: check CUSTOMER_S3_BUCKET and CUSTOMER_S3_ENDPOINT`,
      cause,
    );
  if (status === 412) return new SupersededError(`${what}: the object has changed since`, cause);
  if (status === 404 || name === 'NoSuchKey') return new SupersededError(`${what}: the object is gone`, cause);
  if (name === 'InvalidObjectState')
    return new UnreadableError(`${what}: the object is archived and must be restored first`, cause);
  if (status === 403) return new UnreadableError(`${what}: access denied: check what the access key may read`, cause);
  if (
    /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ECONNRESET|ETIMEDOUT|EPIPE|EHOSTUNREACH/.test(code + error.message) ||
    name === 'TimeoutError'
  ) {
    return new RetryableError(
      `${what}: the bucket cannot be reached (${code || error.message}): check CUSTOMER_S3_ENDPOINT`,
      cause,
    );
  }
  if (status === undefined || status >= 500 || status === 429 || status === 408)
    return new RetryableError(`${what}: ${error.message}`, cause);
  return new FatalError(`${what}: ${name}: ${error.message}`, cause);
};
