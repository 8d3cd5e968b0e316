import { field, textField } from './limits.ts';
import type { Decoded } from './message.ts';
import { type DecodeOptions, decodeObjectFact } from './s3.ts';
import { utcTime } from './time.ts';

const reject = (reason: string): Decoded => ({ kind: 'reject', reason: `EventBridge: ${reason}` });

/** S3 through EventBridge (EventBridge reference, Amazon S3 events). The key is not url-encoded here. */
export const decodeEventBridge = (body: unknown, options: DecodeOptions): Decoded => {
  const name = textField(body, 'detail-type') ?? '';
  const detail = field(body, 'detail');
  const object = field(detail, 'object');
  const bucket = textField(field(detail, 'bucket'), 'name');
  const meaning = (
    { 'Object Created': 'create', 'Object Deleted': 'delete', 'Object ACL Updated': 'change_permission' } as const
  )[name];
  if (!meaning) {
    return /^Object (Tags|Restore|Storage Class|Access Tier)/.test(name)
      ? { kind: 'ignore', reason: `${name} changes neither content nor permissions` }
      : reject(`detail-type ${JSON.stringify(name)} is not known`);
  }
  if (textField(detail, 'reason') === 'Lifecycle Expiration' && options.lifecycleDeletes === false) {
    return { kind: 'ignore', reason: 'deletes by lifecycle rules are switched off' };
  }
  if (options.bucket !== undefined && bucket !== options.bucket) {
    return reject(`it is about bucket ${JSON.stringify(bucket)}, and ${JSON.stringify(options.bucket)} is configured`);
  }
  const key = textField(object, 'key');
  const time = utcTime(field(body, 'time'));
  if (key === undefined) return reject('detail.object.key is missing');
  if (time === undefined) return reject('time is missing or no RFC 3339 time');
  const versionId = textField(object, 'version-id');
  return decodeObjectFact({
    source: 'eventbridge',
    name,
    meaning: meaning === 'delete' && versionId !== undefined ? 'versioned delete' : meaning,
    key,
    bucket: bucket ?? '',
    time,
    size: field(object, 'size'),
    etag: textField(object, 'etag'),
    versionId,
    sequencer: textField(object, 'sequencer'),
    requestId: textField(detail, 'request-id'),
  });
};
