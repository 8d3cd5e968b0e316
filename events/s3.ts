import type { BucketEventType } from './event.ts';
import { Invalid, readEtag, readObject, readSize, readText, readTime, rejecting, required, shown } from './fields.ts';
import { decodeNotificationKey } from './keys.ts';
import { field, isObject, limits, textField } from './limits.ts';
import type { Decoded } from './message.ts';
import { decodeObjectFact, type ObjectFact } from './object-fact.ts';
import { listedPermissions, notifiedPermissions } from './permissions.ts';
import { type Certainty, meaningOf, type Producer, producerOf } from './s3-names.ts';

export type DecodeOptions = {
  /** The configured bucket: messages about another one are refused. */
  readonly bucket?: string;
  /** Who wrote notifications in the S3 form that do not say so themselves. */
  readonly producer?: Producer;
};

const what = 'S3 notification';

/** Refuses what is about another bucket than the configured one. */
export const checkBucket = (bucket: string, options: DecodeOptions): void => {
  if (options.bucket !== undefined && bucket !== options.bucket) {
    throw new Invalid(
      `it is about bucket ${JSON.stringify(bucket)}, and ${JSON.stringify(options.bucket)} is configured`,
    );
  }
};

const producerIn = (record: unknown, options: DecodeOptions): Producer => {
  const source = readText(record, 'eventSource', { emptyIsAbsent: true });
  const producer = (source === undefined ? undefined : producerOf(source)) ?? options.producer;
  if (producer) return producer;
  throw new Invalid(
    `eventSource ${shown(source)} is not known (aws:s3, minio:s3, ceph:s3 and storj:s3 are); how its keys are written can't be guessed`,
  );
};

const checkVersion = (record: unknown): void => {
  const version = required(readText(record, 'eventVersion'), 'eventVersion');
  if (!/^2\.\d{1,9}$/.test(version)) throw new Invalid(`event version ${shown(version)} is not known (2.x is)`);
};

/** AWS and MinIO write keys form-url-encoded, Ceph and Storj as they are. */
const keyIn = (object: unknown, producer: Producer): string => {
  const sent = required(readText(object, 'key', { label: 's3.object.key' }), 's3.object.key');
  if (producer === 'ceph' || producer === 'storj') return sent;
  const key = decodeNotificationKey(sent);
  if (key === undefined) throw new Invalid(`key ${shown(sent)} is not form-url-encoded UTF-8`);
  return key;
};

/** MinIO and Storj leave out the size of an empty object. */
const sizeIn = (object: unknown, producer: Producer): number | undefined =>
  readSize(object, 'size', 's3.object.size') ?? (producer === 'minio' || producer === 'storj' ? 0 : undefined);

/**
 * The version of a plain delete may be any: the newest, an old one, or a delete marker. Where order is no proof, an object
 * that was written at the same moment may stand.
 */
const certaintyOf = (
  { type, certainty }: { readonly type: BucketEventType; readonly certainty: Certainty },
  versionId: string | undefined,
  order: ObjectFact['order'],
): Certainty => {
  if (certainty !== 'certain' || type !== 'delete') return certainty;
  if (versionId !== undefined) return 'asked';
  return order === 'sequencer' ? certainty : 'claimed';
};

/**
 * AWS's sequencer is proof, and Storj's a clock, good enough for one key. The byte order of Ceph's is not to be trusted.
 * MinIO's is when an object was written by the clock of its node: versions are put in that order, but of what was written at
 * one moment without versions the last one stays, whatever its sequencer. The event's time is taken after that.
 */
const orderOf = (producer: Producer, versionId: string | undefined): ObjectFact['order'] => {
  if (producer === 'ceph') return 'time';
  const isVersion = versionId !== undefined && versionId !== 'null';
  return producer === 'minio' && !isVersion ? 'time, then sequencer' : 'sequencer';
};

/** One entry of `Records` (S3 user guide, event message structure 2.x; others send the same with differences). */
const decodeRecord = (record: unknown, options: DecodeOptions): Decoded => {
  checkVersion(record);
  const producer = producerIn(record, options);
  const name = required(readText(record, 'eventName'), 'eventName');
  const meaning = meaningOf(name, producer);
  if (meaning.type === 'unknown') throw new Invalid(`event name ${shown(name)} is not known`);
  if (meaning.type === 'ignore') return { kind: 'ignore', reason: meaning.reason };
  const s3 = required(readObject(record, 's3'), 's3');
  const object = required(readObject(s3, 'object', 's3.object'), 's3.object');
  const bucketLabel = 's3.bucket.name';
  const bucket = required(readText(readObject(s3, 'bucket'), 'name', { label: bucketLabel }), bucketLabel);
  checkBucket(bucket, options);
  const optional = { emptyIsAbsent: true, lengthMax: 1_024 } as const;
  const versionId = readText(object, 'versionId', { ...optional, label: 's3.object.versionId' });
  const order = orderOf(producer, versionId);
  const isContent = meaning.type === 'create';
  const key = keyIn(object, producer);
  return decodeObjectFact({
    source: producer,
    type: meaning.type,
    certainty: certaintyOf(meaning, versionId, order),
    key,
    bucket,
    time: required(readTime(record, 'eventTime'), 'eventTime'),
    size: isContent ? sizeIn(object, producer) : undefined,
    etag: isContent ? (readEtag(object, 'eTag') ?? readEtag(object, 'etag')) : undefined,
    permissions: isContent ? permissionsIn(key, object) : undefined,
    versionId,
    sequencer: readText(object, 'sequencer', { ...optional, label: 's3.object.sequencer' }),
    order,
    requestId: readText(readObject(record, 'responseElements'), 'x-amz-request-id', optional),
  });
};

/** MinIO and Ceph tell the object's user metadata along. */
const permissionsIn = (key: string, object: unknown): string | undefined =>
  notifiedPermissions(key, object, 'userMetadata') ?? listedPermissions(key, object, 'metadata');

export const isTestEvent = (body: unknown): boolean => textField(body, 'Event') === 's3:TestEvent';

/** A whole notification body: the array of records, or the test event that S3 sends when a notification is set up. */
export const decodeS3 = (body: unknown, options: DecodeOptions): Decoded[] => {
  const reject = (reason: string): Decoded => ({ kind: 'reject', reason: `${what}: ${reason}` });
  const records = field(body, 'Records');
  if (records === undefined && isTestEvent(body))
    return [{ kind: 'ignore', reason: 'test event of a new bucket notification' }];
  if (!Array.isArray(records)) return [reject(`Records: expected an array, found ${shown(records)}`)];
  if (records.length > limits.recordsMax) return [reject(`${records.length} records, more than ${limits.recordsMax}`)];
  if (records.length === 0) return [{ kind: 'ignore', reason: 'a notification without records' }];
  return records.map((record: unknown) =>
    isObject(record) ? rejecting(what, () => decodeRecord(record, options)) : reject('a record is no object'),
  );
};
