import { ConfigError, FatalError, isPlainText, messageOf, RetryableError, SupersededError } from '../errors.ts';
import { retryAfterMs } from '../retry-after.ts';

/** The object is there and cannot be read now: archived, denied, or encrypted with a key that we lack. It never blocks others. */
export class UnreadableError extends FatalError {}

/** The bucket failed to give an object's bytes: nothing that holds them was sent to its end, so nobody stores them. */
export class UnservedError extends RetryableError {}

/** The bucket answers, and not about this object: a part of its store is lost, or away. Whether it is there is not known. */
export class FailingObjectError extends UnreadableError {}

type SdkError = Error & {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
  readonly Code?: string;
  readonly code?: string;
};

/** What the names of the settings begin with that lead to a bucket. */
export type BucketSettings = 'CUSTOMER_S3' | 'BACKUP_S3';

/** What was asked: in words and without secrets, of the bucket as a whole or of one object in it. */
export type Asked = {
  readonly what: string;
  readonly of: 'bucket' | 'object';
  readonly bucket: string;
  /** Default: those of the customer's bucket. */
  readonly settings?: BucketSettings | undefined;
};

const credentialErrors = /^(InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken|TokenRefreshRequired)$/;
const regionErrors = /^(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)$/;
const unreachable = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ECONNRESET|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH/;
const waitMsMax = 300_000;

/** The mistakes that only a person can mend, whatever was asked. */
const configProblem = (name: string, code: string, bucket: string, settings: BucketSettings): string | undefined => {
  if (credentialErrors.test(name))
    return `the bucket refuses the credentials (${name}): check ${settings}_ACCESS_KEY and ${settings}_SECRET_KEY`;
  if (name === 'CredentialsProviderError')
    return `there are no credentials for the bucket: set ${settings}_ACCESS_KEY and ${settings}_SECRET_KEY`;
  if (name === 'RequestTimeTooSkewed') return "this machine's clock is too far from the bucket's: set the clock";
  if (name === 'NoSuchBucket' || name === 'InvalidBucketName')
    return `there is no bucket ${JSON.stringify(bucket)}: check ${settings}_BUCKET and ${settings}_ENDPOINT`;
  if (regionErrors.test(name))
    return `the bucket ${JSON.stringify(bucket)} is in another region (${name}): check ${settings}_REGION and ${settings}_ENDPOINT`;
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/.test(code))
    return `the certificate of the bucket's endpoint is not trusted (${code}): check ${settings}_ENDPOINT`;
  return undefined;
};

const unreadableReason = (name: string, status: number | undefined, message: string): string | undefined => {
  if (name === 'InvalidObjectState') return 'the object is archived and must be restored first';
  if (status === 403) return 'access denied: check what the access key may read';
  if (name.startsWith('KMS.')) return `the key that it is encrypted with cannot be used (${name})`;
  // A HEAD has no body that could say why; of an object that is there, only its encryption makes the request a bad one.
  if (status === 400 && (/encrypt/i.test(message) || /^(BadRequest|400|UnknownError|Unknown)$/.test(name)))
    return 'it is encrypted with a key that only its owner has (SSE-C)';
  return undefined;
};

/** Whether an error says already what the caller must do. */
export const isTold = (error: unknown): error is Error =>
  [RetryableError, SupersededError, FatalError, ConfigError].some((type) => error instanceof type);

/** What an SDK error asks of the caller. An abort is passed on as it is. */
export const asBucketError = (error: unknown, asked: Asked): Error => {
  if (isTold(error)) return error;
  const { what, bucket, settings = 'CUSTOMER_S3' } = asked;
  if (!(error instanceof Error)) return new FatalError(`${what}: ${messageOf(error)}`);
  if (error.name === 'AbortError') return error;
  const { $metadata, code = '', Code } = error as SdkError;
  const status = $metadata?.httpStatusCode;
  const cause = { cause: error };
  const name = Code ?? error.name;
  const problem = isPlainText(code, error.message)
    ? `the bucket's endpoint does not speak TLS: should ${settings}_ENDPOINT begin with http:// instead of https://?`
    : configProblem(name, code, bucket, settings);
  if (problem !== undefined) return new ConfigError(problem, cause);
  if (status === 412) return new SupersededError(`${what}: the object has changed since`, cause);
  if (asked.of === 'object') {
    if (status === 404) return new SupersededError(`${what}: the object is gone`, cause);
    const reason = unreadableReason(name, status, error.message);
    if (reason !== undefined) return new UnreadableError(`${what}: ${reason}`, cause);
  } else if (status === 404 || status === 403) {
    const why = status === 404 ? 'it answered 404' : 'access is denied';
    return new ConfigError(
      `${what}: ${why}: check ${settings}_BUCKET, ${settings}_ENDPOINT, and what ${settings}_ACCESS_KEY may do`,
      cause,
    );
  }
  if (unreachable.test(`${code} ${error.message}`) || name === 'TimeoutError')
    return new RetryableError(
      `${what}: the bucket cannot be reached (${code || error.message}): check ${settings}_ENDPOINT`,
      cause,
    );
  if (status !== undefined && status < 300)
    return new RetryableError(
      `${what}: the answer is no S3 answer, or broke off: is ${settings}_ENDPOINT an S3 endpoint?`,
      cause,
    );
  if (status === undefined || status >= 500 || status === 429 || status === 408)
    return new RetryableError(`${what}: ${name}: ${error.message}`, {
      ...cause,
      retryAfterMs: retryAfterMs((error as SdkError).$response?.headers?.['retry-after'], Date.now(), waitMsMax),
    });
  return new FatalError(`${what}: ${name}: ${error.message}`, cause);
};
