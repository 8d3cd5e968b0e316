import type { BucketEventType } from './event.ts';
import { Invalid, readEtag, readObject, readSize, readText, readTime, rejecting, required, shown } from './fields.ts';
import type { Decoded } from './message.ts';
import { decodeObjectFact } from './object-fact.ts';
import { checkBucket, type DecodeOptions } from './s3.ts';

const meanings: Readonly<Record<string, BucketEventType>> = {
  'Object Created': 'create',
  'Object Deleted': 'delete',
  'Object ACL Updated': 'change_permission',
};

const noConcern =
  /^Object (Tags (Added|Deleted)|Restore (Initiated|Completed|Expired)|Storage Class Changed|Access Tier Changed)$/;

const checkVersions = (body: unknown, detail: unknown): void => {
  for (const [object, label] of [
    [body, 'version'],
    [detail, 'detail.version'],
  ] as const) {
    const version = required(readText(object, 'version', { label }), label);
    if (version !== '0') throw new Invalid(`${label} ${shown(version)} is not known ("0" is)`);
  }
};

const decodeBody = (body: unknown, options: DecodeOptions): Decoded => {
  const source = readText(body, 'source');
  if (source !== 'aws.s3') throw new Invalid(`source ${shown(source)} is not S3`);
  const name = required(readText(body, 'detail-type'), 'detail-type');
  if (noConcern.test(name)) return { kind: 'ignore', reason: `${name}: changes neither content nor permissions` };
  const type = Object.hasOwn(meanings, name) ? meanings[name] : undefined;
  if (type === undefined) throw new Invalid(`detail-type ${shown(name)} is not known`);
  const detail = required(readObject(body, 'detail'), 'detail');
  checkVersions(body, detail);
  const object = required(readObject(detail, 'object', 'detail.object'), 'detail.object');
  const bucketLabel = 'detail.bucket.name';
  const bucket = required(readText(readObject(detail, 'bucket'), 'name', { label: bucketLabel }), bucketLabel);
  checkBucket(bucket, options);
  const optional = { emptyIsAbsent: true, lengthMax: 1_024 } as const;
  const versionId = readText(object, 'version-id', optional);
  const isMarker = readText(detail, 'deletion-type', optional) === 'Delete Marker Created';
  return decodeObjectFact({
    source: 'eventbridge',
    type,
    certainty: type !== 'delete' ? 'certain' : isMarker ? 'claimed' : versionId === undefined ? 'certain' : 'asked',
    key: required(readText(object, 'key', { label: 'detail.object.key' }), 'detail.object.key'),
    bucket,
    time: required(readTime(body, 'time'), 'time'),
    size: type === 'create' ? readSize(object, 'size', 'detail.object.size') : undefined,
    etag: type === 'create' ? readEtag(object, 'etag', 'detail.object.etag') : undefined,
    versionId,
    sequencer: readText(object, 'sequencer', optional),
    order: 'sequencer',
    requestId: readText(detail, 'request-id', optional),
  });
};

/** S3 through EventBridge (EventBridge reference, Amazon S3 events). The key is not url-encoded here. */
export const decodeEventBridge = (body: unknown, options: DecodeOptions): Decoded =>
  rejecting('EventBridge', () => decodeBody(body, options));
