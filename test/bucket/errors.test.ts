import test from 'ava';
import { type Asked, asBucketError, UnreadableError } from '../../src/bucket/errors.ts';
import { ConfigError, FatalError, RetryableError, SupersededError } from '../../src/errors.ts';

const object: Asked = { what: 'read "a"', of: 'object', bucket: 'customer' };
const bucket: Asked = { what: 'list the bucket', of: 'bucket', bucket: 'customer' };
const sdkError = (name: string, status: number | undefined, more: object = {}): Error =>
  Object.assign(new Error(`${name} happened`), {
    name,
    ...(status !== undefined && { $metadata: { httpStatusCode: status } }),
    ...more,
  });

for (const [title, error, asked, type, message] of [
  ['an unknown access key', sdkError('InvalidAccessKeyId', 403), bucket, ConfigError, /CUSTOMER_S3_ACCESS_KEY/],
  ['a wrong secret key', sdkError('SignatureDoesNotMatch', 403), object, ConfigError, /CUSTOMER_S3_SECRET_KEY/],
  ['no credentials', sdkError('CredentialsProviderError', undefined), bucket, ConfigError, /CUSTOMER_S3_ACCESS_KEY/],
  ['a clock far off', sdkError('RequestTimeTooSkewed', 403), object, ConfigError, /set the clock/],
  ['no such bucket', sdkError('NoSuchBucket', 404), object, ConfigError, /"customer".*CUSTOMER_S3_BUCKET/],
  ['another region', sdkError('PermanentRedirect', 301), bucket, ConfigError, /CUSTOMER_S3_REGION/],
  ['a listing denied', sdkError('AccessDenied', 403), bucket, ConfigError, /access is denied/],
  [
    'an untrusted certificate',
    sdkError('Error', undefined, { code: 'SELF_SIGNED_CERT_IN_CHAIN' }),
    bucket,
    ConfigError,
    /not trusted/,
  ],
  ['an object denied', sdkError('AccessDenied', 403), object, UnreadableError, /access denied/],
  ['an archived object', sdkError('InvalidObjectState', 403), object, UnreadableError, /restored first/],
  ['a key of KMS that is disabled', sdkError('KMS.DisabledException', 400), object, UnreadableError, /KMS/],
  [
    'an object under SSE-C',
    sdkError('InvalidRequest', 400, { message: 'stored using a form of Server Side Encryption' }),
    object,
    UnreadableError,
    /SSE-C/,
  ],
  ['a HEAD of an object under SSE-C', sdkError('400', 400), object, UnreadableError, /SSE-C/],
  ['a changed object', sdkError('PreconditionFailed', 412), object, SupersededError, /has changed/],
  ['a deleted object', sdkError('NoSuchKey', 404), object, SupersededError, /is gone/],
  ['a HEAD of nothing', sdkError('NotFound', 404), object, SupersededError, /is gone/],
  [
    'a refused connection',
    sdkError('Error', undefined, { code: 'ECONNREFUSED' }),
    bucket,
    RetryableError,
    /ECONNREFUSED.*CUSTOMER_S3_ENDPOINT/,
  ],
  ['a silent connection', sdkError('TimeoutError', undefined), object, RetryableError, /cannot be reached/],
  ['a web page', sdkError('SyntaxError', 200), bucket, RetryableError, /an S3 endpoint\?/],
  ['an internal error', sdkError('InternalError', 500), object, RetryableError, /InternalError/],
  ['a request like any other that is wrong', sdkError('InvalidArgument', 400), object, FatalError, /InvalidArgument/],
] as const) {
  test(`${title} becomes a ${type === UnreadableError ? 'UnreadableError' : type.name}`, (t) => {
    const told = asBucketError(error, asked);
    t.is(told.constructor, type);
    t.regex(told.message, message);
    t.is(told.cause, error);
    t.is(asBucketError(told, asked), told, 'and stays it');
    const ofBackup = asBucketError(error, { ...asked, settings: 'BACKUP_S3' }).message;
    t.is(ofBackup, told.message.replaceAll('CUSTOMER_S3_', 'BACKUP_S3_'), 'and names the settings of that bucket');
  });
}

test('a busy bucket says how long to wait, within reason', (t) => {
  const busy = (seconds: string): RetryableError =>
    asBucketError(
      sdkError('SlowDown', 503, { $response: { headers: { 'retry-after': seconds } } }),
      object,
    ) as RetryableError;
  t.is(busy('7').retryAfterMs, 7_000);
  t.is(busy('99999').retryAfterMs, 300_000);
  const inHalfAMinute = busy(new Date(Date.now() + 30_000).toUTCString()).retryAfterMs ?? 0;
  t.true(inHalfAMinute > 20_000 && inHalfAMinute <= 30_000, 'a date says it too');
  t.is(busy('soon').retryAfterMs, undefined);
});

test('an abort stays an abort', (t) => {
  const abort = sdkError('AbortError', undefined);
  t.is(asBucketError(abort, object), abort);
});
