import { decodeEventBridge } from './eventbridge.ts';
import { decodeGcs, isGcs } from './gcs.ts';
import { field, isObject, parseJson, textField } from './limits.ts';
import type { Decoded, Message } from './message.ts';
import { decodeNative, looksNative } from './native.ts';
import { decodeS3, type DecodeOptions as ObjectOptions } from './s3.ts';

export const formats = ['auto', 'native', 'cloudevents', 's3', 'minio', 'ceph', 'eventbridge', 'gcs'] as const;
export type Format = (typeof formats)[number];

export type DecodeOptions = ObjectOptions & {
  /** Says what the message is; `auto` (the default) finds out. */
  readonly format?: Format;
};

const reject = (reason: string): Decoded[] => [{ kind: 'reject', reason }];

/** CloudEvents 1.0 attributes in binary mode: `ce-…`, from HTTP headers or broker attributes. */
const binaryCloudEvent = (attributes: Message['attributes']): boolean => attributes['ce-specversion'] !== undefined;

/** The last word of a CloudEvents type is the native one (`com.example.file.create`). */
const nativeFromCloudEvent = (envelope: Record<string, unknown>, data: unknown): Decoded => {
  const type = String(envelope.type ?? '')
    .split('.')
    .at(-1);
  const inner = isObject(data) ? data : {};
  return decodeNative({
    id: envelope.id,
    time: envelope.time,
    ...(envelope.subject !== undefined && { path: envelope.subject }),
    ...inner,
    type: field(inner, 'type') ?? type,
  });
};

const decodeJson = (value: unknown, options: DecodeOptions, depth = 0): Decoded[] => {
  const format = options.format ?? 'auto';
  const wants = (name: Format): boolean => format === 'auto' || format === name;
  if (!isObject(value)) return reject('the message is no JSON object');
  if (textField(value, 'Type') === 'Notification' && typeof field(value, 'Message') === 'string' && depth === 0) {
    const inner = parseJson(Buffer.from(field(value, 'Message') as string));
    return 'problem' in inner ? reject(`through SNS: ${inner.problem}`) : decodeJson(inner.value, options, depth + 1);
  }
  const objectStore = wants('s3') || wants('minio') || wants('ceph');
  if (objectStore && (Object.hasOwn(value, 'Records') || textField(value, 'Event') === 's3:TestEvent'))
    return decodeS3(value, options);
  if (wants('eventbridge') && Object.hasOwn(value, 'detail-type')) return [decodeEventBridge(value, options)];
  if (wants('cloudevents') && Object.hasOwn(value, 'specversion')) {
    const version = textField(value, 'specversion');
    if (version === undefined || !/^1\.\d+$/.test(version))
      return reject(`CloudEvents version ${JSON.stringify(version)} is not known (1.x is)`);
    return [nativeFromCloudEvent({ ...value }, field(value, 'data'))];
  }
  if (wants('native') && (format === 'native' || looksNative(value))) return [decodeNative(value)];
  return reject(
    format === 'auto'
      ? 'the message is of no known kind: expected a native event, CloudEvents, an S3, EventBridge or GCS notification'
      : `the message is not of the kind ${format}`,
  );
};

/** Decodes one message of any producer. Never throws: what is not understood is a `reject` with its reason. */
export const decode = (message: Message, options: DecodeOptions = {}): readonly Decoded[] => {
  const format = options.format ?? 'auto';
  if (format === 'gcs' || (format === 'auto' && isGcs(message.attributes))) return [decodeGcs(message, options)];
  const parsed = parseJson(message.body);
  if ('problem' in parsed) return reject(parsed.problem);
  if (binaryCloudEvent(message.attributes) && (format === 'auto' || format === 'cloudevents')) {
    const version = message.attributes['ce-specversion'];
    if (!/^1\.\d+$/.test(version ?? ''))
      return reject(`CloudEvents version ${JSON.stringify(version)} is not known (1.x is)`);
    const { 'ce-id': id, 'ce-type': type, 'ce-time': time, 'ce-subject': subject } = message.attributes;
    return [nativeFromCloudEvent({ id, type, time, ...(subject !== undefined && { subject }) }, parsed.value)];
  }
  return decodeJson(parsed.value, options);
};
