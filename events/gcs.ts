import type { BucketEvent } from './event.ts';
import { pathOfKey } from './keys.ts';
import { field, parseJson, textField } from './limits.ts';
import type { Decoded, Message } from './message.ts';
import { generationToken } from './order.ts';
import type { DecodeOptions } from './s3.ts';
import { utcTime } from './time.ts';

const reject = (reason: string): Decoded => ({ kind: 'reject', reason: `GCS notification: ${reason}` });

/** Whether the attributes are those of a GCS notification. */
export const isGcs = (attributes: Message['attributes']): boolean =>
  attributes.eventType?.startsWith('OBJECT_') === true && attributes.objectId !== undefined;

/** A GCS notification (Cloud Storage, Pub/Sub notifications): the attributes say what happened, the payload may be empty. */
export const decodeGcs = ({ attributes, body }: Message, options: DecodeOptions): Decoded => {
  const { eventType = '', bucketId = '', objectId = '', objectGeneration = '' } = attributes;
  if (options.bucket !== undefined && bucketId !== options.bucket) {
    return reject(
      `it is about bucket ${JSON.stringify(bucketId)}, and ${JSON.stringify(options.bucket)} is configured`,
    );
  }
  if (eventType === 'OBJECT_INITIALIZE')
    return { kind: 'ignore', reason: 'an upload has begun, nothing is stored yet' };
  const removed = eventType === 'OBJECT_DELETE' || eventType === 'OBJECT_ARCHIVE';
  if (removed && attributes.overwrittenByGeneration !== undefined) {
    return { kind: 'ignore', reason: 'an older generation went away; the newer one has an event of its own' };
  }
  const parsed = attributes.payloadFormat === 'NONE' || body.length === 0 ? { value: undefined } : parseJson(body);
  if ('problem' in parsed) return reject(parsed.problem);
  const metageneration = textField(parsed.value, 'metageneration');
  const token = generationToken(objectGeneration, metageneration);
  const time = utcTime(attributes.eventTime);
  const checked = pathOfKey(objectId);
  if ('problem' in checked) return reject(checked.problem);
  if (token === undefined) return reject(`objectGeneration ${JSON.stringify(objectGeneration)} is no number`);
  if (time === undefined) return reject('eventTime is missing or no RFC 3339 time');
  const size = Number(textField(parsed.value, 'size') ?? Number.NaN);
  const hash = textField(parsed.value, 'md5Hash');
  const mode = textField(field(parsed.value, 'metadata'), 'file-permissions');
  const shared = {
    id: `gcs:${bucketId}/${objectId}#${objectGeneration}:${eventType}${metageneration === undefined ? '' : `:${metageneration}`}`,
    time,
    path: checked.path,
    version: token,
    source: 'gcs',
  };
  const create: BucketEvent = {
    ...shared,
    type: 'create',
    ...(Number.isSafeInteger(size) && { size }),
    etag: hash === undefined ? `generation-${objectGeneration}` : Buffer.from(hash, 'base64').toString('hex'),
    ...(mode !== undefined && { permissions: mode }),
  };
  if (eventType === 'OBJECT_FINALIZE') return { kind: 'event', event: create };
  if (removed) {
    const marker = checked.path.endsWith('/') && { scope: 'marker' as const };
    return { kind: 'event', event: { ...shared, type: 'delete', ...marker } };
  }
  if (eventType === 'OBJECT_METADATA_UPDATE') {
    return mode === undefined
      ? { kind: 'ignore', reason: 'metadata without permissions changes nothing here' }
      : { kind: 'event', event: { ...shared, type: 'change_permission', permissions: mode } };
  }
  return reject(`eventType ${JSON.stringify(eventType)} is not known`);
};
