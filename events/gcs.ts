import type { BucketEvent } from './event.ts';
import { Invalid, readText, rejecting, required, shown } from './fields.ts';
import { pathOfObject } from './keys.ts';
import { isObject, type JsonObject, parseJson } from './limits.ts';
import type { Decoded, Message } from './message.ts';
import { markerChanged } from './object-fact.ts';
import { generationToken } from './order.ts';
import { notifiedPermissions } from './permissions.ts';
import { checkBucket, type DecodeOptions } from './s3.ts';
import { utcTime } from './time.ts';

/** Whether the attributes are those of a GCS notification, of whatever event type. */
export const isGcs = ({ eventType, bucketId, objectId }: Message['attributes']): boolean =>
  eventType !== undefined && (bucketId !== undefined || objectId !== undefined);

/** The object's resource, where the notification carries it. */
const resourceOf = ({ attributes, body }: Message): JsonObject | undefined => {
  const { payloadFormat } = attributes;
  if (payloadFormat !== undefined && payloadFormat !== 'NONE' && payloadFormat !== 'JSON_API_V1')
    throw new Invalid(`payloadFormat ${shown(payloadFormat)} is not known (NONE and JSON_API_V1 are)`);
  if (payloadFormat === 'NONE' || body.length === 0) return undefined;
  const parsed = parseJson(body);
  if ('problem' in parsed) throw new Invalid(parsed.problem);
  if (!isObject(parsed.value)) throw new Invalid('the payload is no JSON object');
  return parsed.value;
};

/** int64 as GCS writes it: decimal digits in a string. */
const readDigits = (object: unknown, name: string): string | undefined => {
  const digits = readText(object, name, { lengthMax: 32 });
  if (digits !== undefined && !/^\d+$/.test(digits))
    throw new Invalid(`${name}: expected a whole number in a string, found ${shown(digits)}`);
  return digits;
};

const sizeIn = (resource: JsonObject | undefined): number | undefined => {
  const digits = readDigits(resource, 'size');
  const size = digits === undefined ? undefined : Number(digits);
  if (size !== undefined && !Number.isSafeInteger(size)) throw new Invalid(`size: ${shown(digits)} is too large`);
  return size;
};

/** The MD5 in hexadecimal, which is the etag that the bucket's S3 interface gives; composed objects have none. */
const md5In = (resource: JsonObject | undefined): string | undefined => {
  const hash = readText(resource, 'md5Hash', { lengthMax: 64 });
  if (hash === undefined) return undefined;
  const bytes = Buffer.from(hash, 'base64');
  if (bytes.length !== 16 || bytes.toString('base64') !== hash)
    throw new Invalid(`md5Hash: expected 16 bytes in base64, found ${shown(hash)}`);
  return bytes.toString('hex');
};

/** A generation is deleted after everything that its metadata went through. */
const lastMetageneration = '9'.repeat(20);

/**
 * Which of a generation's events of one type it is. Its metadata changes any number of times: without the payload, and so
 * without a metageneration, only the time tells two changes apart, and a redelivery repeats it.
 */
const occasionOf = (eventType: string, metageneration: string | undefined, time: string): string => {
  if (metageneration !== undefined) return `:${metageneration}`;
  return eventType === 'OBJECT_METADATA_UPDATE' ? `@${time}` : '';
};

const decodeMessage = (message: Message, options: DecodeOptions): Decoded => {
  const { attributes } = message;
  const eventType = required(readText(attributes, 'eventType'), 'eventType');
  const bucket = required(readText(attributes, 'bucketId'), 'bucketId');
  checkBucket(bucket, options);
  if (eventType === 'OBJECT_INITIALIZE')
    return { kind: 'ignore', reason: 'an upload has begun, nothing is stored yet' };
  const removed = eventType === 'OBJECT_DELETE' || eventType === 'OBJECT_ARCHIVE';
  if (!removed && eventType !== 'OBJECT_FINALIZE' && eventType !== 'OBJECT_METADATA_UPDATE')
    throw new Invalid(`eventType ${shown(eventType)} is not known`);
  const generation = required(readDigits(attributes, 'objectGeneration'), 'objectGeneration');
  if (removed && readDigits(attributes, 'overwrittenByGeneration') !== undefined) {
    return { kind: 'ignore', reason: 'an older generation went away; the newer one has an event of its own' };
  }
  const resource = resourceOf(message);
  const key = required(readText(attributes, 'objectId'), 'objectId');
  const size = sizeIn(resource);
  const checked = pathOfObject(key, eventType === 'OBJECT_FINALIZE' ? size : undefined);
  if ('problem' in checked) throw new Invalid(checked.problem);
  const time = utcTime(attributes.eventTime);
  if (time === undefined)
    throw new Invalid(`eventTime: expected an RFC 3339 time, found ${shown(attributes.eventTime)}`);
  const isMarker = checked.path.endsWith('/');
  if (isMarker && eventType === 'OBJECT_METADATA_UPDATE') return markerChanged;
  const metageneration = readDigits(resource, 'metageneration');
  const permissions = notifiedPermissions(key, resource, 'metadata');
  const etag = md5In(resource);
  const token = generationToken(generation, removed ? lastMetageneration : (metageneration ?? '1'));
  const shared = {
    id: `gcs:${bucket}/${key}#${generation}:${eventType}${occasionOf(eventType, metageneration, time)}`,
    time,
    path: checked.path,
    ...(token !== undefined && { version: token }),
    source: 'gcs',
  };
  if (removed) {
    const marker = isMarker && { scope: 'marker' as const };
    // Sent for generations that were no longer the newest, too: only the bucket knows which one stands there now.
    return {
      kind: 'ask',
      question: 'head',
      unasked: 'event',
      key,
      event: { ...shared, type: 'delete', ...marker },
    };
  }
  const event: BucketEvent = {
    ...shared,
    type: eventType === 'OBJECT_FINALIZE' ? 'create' : 'change_permission',
    ...(permissions !== undefined && { permissions }),
  };
  if (event.type === 'change_permission') {
    if (permissions !== undefined) return { kind: 'event', event };
    if (resource !== undefined) return { kind: 'ignore', reason: 'metadata without permissions changes nothing here' };
    return { kind: 'ask', question: 'metadata', unasked: 'ignore', key, event };
  }
  const create = { ...event, ...(size !== undefined && { size }), ...(etag !== undefined && { etag }) };
  return etag === undefined
    ? { kind: 'ask', question: 'facts', unasked: 'event', key, event: create }
    : { kind: 'event', event: create };
};

/** A GCS notification (Cloud Storage, Pub/Sub notifications): the attributes say what happened, the payload may be empty. */
export const decodeGcs = (message: Message, options: DecodeOptions): Decoded =>
  rejecting('GCS notification', () => decodeMessage(message, options));
