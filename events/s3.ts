import type { BucketEvent, BucketEventType } from './event.ts';
import { decodeNotificationKey, pathOfKey } from './keys.ts';
import { field, isObject, limits, textField } from './limits.ts';
import type { Decoded } from './message.ts';
import { sequencerToken } from './order.ts';
import { utcTime } from './time.ts';

export type DecodeOptions = {
  /** The configured bucket: messages about another one are refused. */
  readonly bucket?: string;
  /** Whether deletes by lifecycle rules count (a separate opt-in at the provider). Default true. */
  readonly lifecycleDeletes?: boolean;
};

/** What an S3 event name stands for. Names that carry no content and no permissions are ignored, unknown ones refused. */
type Meaning = BucketEventType | 'versioned delete' | 'ignore' | 'unknown';

const metadataOnly =
  /^(ObjectTagging|ObjectRetention|ObjectLegalHold|ObjectRestore|LifecycleTransition|IntelligentTiering|Replication|ObjectAnnotation|ObjectAccessed|ReducedRedundancyLostObject|Scanner|ObjectTransition)(:|$)/;
const created = /^ObjectCreated:(Put|Post|Copy|CompleteMultipartUpload|\*)$/;
const minioMetadata = /^ObjectCreated:(PutTagging|PutRetention|PutLegalHold|DeleteTagging)$/;

const meaningOf = (name: string, versionId: string | undefined, options: DecodeOptions): Meaning => {
  if (minioMetadata.test(name) || metadataOnly.test(name) || name === 'ObjectRemoved:NoOP') return 'ignore';
  if (created.test(name)) return 'create';
  if (name === 'ObjectAcl:Put') return 'change_permission';
  const lifecycle = /^LifecycleExpiration:|^LifecycleDelMarkerExpiration:/.test(name);
  if (lifecycle && options.lifecycleDeletes === false) return 'ignore';
  if (
    /^(ObjectRemoved|LifecycleExpiration|LifecycleDelMarkerExpiration):(Delete|DeleteMarkerCreated|DeleteAllVersions)$/.test(
      name,
    )
  ) {
    return versionId !== undefined && versionId !== '' ? 'versioned delete' : 'delete';
  }
  return 'unknown';
};

const reject = (reason: string): Decoded => ({ kind: 'reject', reason: `S3 notification: ${reason}` });

/** One entry of `Records` (S3 user guide, event message structure 2.x; MinIO and Ceph send the same with differences). */
export const decodeS3Record = (record: unknown, options: DecodeOptions): Decoded => {
  const version = textField(record, 'eventVersion');
  if (version !== undefined && !version.startsWith('2.'))
    return reject(`event version ${version} is not known (2.x is)`);
  const producer = textField(record, 'eventSource') ?? 'aws:s3';
  const source = producer.startsWith('minio') ? 'minio' : producer.startsWith('ceph') ? 'ceph' : 's3';
  const name = textField(record, 'eventName')?.replace(/^s3:/, '');
  if (name === undefined) return reject('eventName is missing');
  const object = field(field(record, 's3'), 'object');
  const bucket = textField(field(field(record, 's3'), 'bucket'), 'name');
  const versionId = textField(object, 'versionId');
  const meaning = meaningOf(name, versionId, options);
  if (meaning === 'unknown') return reject(`event name ${JSON.stringify(name)} is not known`);
  if (meaning === 'ignore') return { kind: 'ignore', reason: `${name} changes neither content nor permissions` };
  if (options.bucket !== undefined && bucket !== options.bucket) {
    return reject(`it is about bucket ${JSON.stringify(bucket)}, and ${JSON.stringify(options.bucket)} is configured`);
  }
  const sent = field(object, 'key');
  if (typeof sent !== 'string' || sent.length > limits.textMax) return reject('s3.object.key is missing or too long');
  const key = source === 'ceph' ? sent : decodeNotificationKey(sent);
  if (key === undefined) return reject(`key ${JSON.stringify(sent)} is not form-url-encoded`);
  const time = utcTime(field(record, 'eventTime'));
  if (time === undefined) return reject('eventTime is missing or no RFC 3339 time');
  const sequencer = textField(object, 'sequencer');
  const facts = {
    size: field(object, 'size'),
    etag: textField(object, 'eTag') ?? textField(object, 'etag'),
  };
  return decodeObjectFact({
    source,
    name,
    meaning,
    key,
    bucket: bucket ?? '',
    time,
    ...facts,
    versionId,
    sequencer,
    requestId: textField(field(record, 'responseElements'), 'x-amz-request-id'),
    size: meaning === 'create' && source === 'minio' && facts.size === undefined ? 0 : facts.size,
  });
};

/** What S3 in any wrapping says about one object. */
export type ObjectFact = {
  readonly source: string;
  readonly name: string;
  readonly meaning: BucketEventType | 'versioned delete';
  readonly key: string;
  readonly bucket: string;
  readonly time: string;
  readonly size: unknown;
  readonly etag: string | undefined;
  readonly versionId: string | undefined;
  readonly sequencer: string | undefined;
  readonly requestId: string | undefined;
};

/**
 * The event of one object fact. S3 gives its events no id: bucket, key, kind and sequencer name the fact, and where there
 * is no sequencer the request and the time do. Ceph's sequencer is no order (its byte order is not to be trusted), and
 * MinIO's is the nodes' clocks, good enough to order the events of one key.
 */
export const decodeObjectFact = (fact: ObjectFact): Decoded => {
  const checked = pathOfKey(fact.key);
  if ('problem' in checked) return reject(checked.problem);
  const token = fact.sequencer === undefined || fact.source === 'ceph' ? undefined : sequencerToken(fact.sequencer);
  const identity = fact.sequencer ?? `${fact.requestId ?? ''}@${fact.time}`;
  const type = fact.meaning === 'versioned delete' ? 'delete' : fact.meaning;
  const content = type === 'create';
  const event: BucketEvent = {
    id: `s3:${fact.bucket}/${fact.key}#${type}:${fact.versionId ?? ''}:${identity}`,
    type,
    time: fact.time,
    path: checked.path,
    ...(content && Number.isSafeInteger(fact.size) && { size: fact.size as number }),
    ...(content && fact.etag !== undefined && { etag: fact.etag.replaceAll('"', '') }),
    ...(token !== undefined && { version: token }),
    ...(type === 'delete' && checked.path.endsWith('/') && { scope: 'marker' as const }),
    source: fact.source,
  };
  const question = { kind: 'ask', key: fact.key, event } as const;
  if (type === 'change_permission') return { ...question, question: 'acl' };
  if (fact.meaning === 'versioned delete') return { ...question, question: 'head' };
  // Ceph announces a multipart upload when it begins: only the bucket knows whether the object is there.
  if (fact.source === 'ceph' && fact.name === 'ObjectCreated:Post') return { ...question, question: 'head' };
  return { kind: 'event', event };
};

/** A whole notification body: the array of records, or the test event that S3 sends when a notification is set up. */
export const decodeS3 = (body: unknown, options: DecodeOptions): Decoded[] => {
  if (textField(body, 'Event') === 's3:TestEvent')
    return [{ kind: 'ignore', reason: 'test event of a new bucket notification' }];
  const records = field(body, 'Records');
  if (!Array.isArray(records)) return [reject('Records is not an array')];
  if (records.length > limits.recordsMax) return [reject(`${records.length} records, more than ${limits.recordsMax}`)];
  if (records.length === 0) return [{ kind: 'ignore', reason: 'a notification without records' }];
  return records.map((record) =>
    isObject(record) ? decodeS3Record(record, options) : reject('a record is no object'),
  );
};
