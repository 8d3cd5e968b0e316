import { decodeBinary, decodeStructured, isBinary } from './cloudevents.ts';
import { decodeEventBridge } from './eventbridge.ts';
import { decodeGcs, isGcs } from './gcs.ts';
import { field, isObject, parseJson, textField } from './limits.ts';
import type { Decoded, Message } from './message.ts';
import { decodeNative, looksNative } from './native.ts';
import { decodeS3, isTestEvent, type DecodeOptions as ObjectOptions } from './s3.ts';
import type { Producer } from './s3-names.ts';

const producers: readonly Producer[] = ['s3', 'minio', 'ceph', 'storj'];

export const formats = ['auto', 'native', 'cloudevents', ...producers, 'eventbridge', 'gcs'] as const;
export type Format = (typeof formats)[number];

export type DecodeOptions = Pick<ObjectOptions, 'bucket'> & {
  /** Says what the message is; `auto` (the default) finds out. */
  readonly format?: Format;
};

const reject = (reason: string): Decoded[] => [{ kind: 'reject', reason }];

/** A CloudEvent in binary mode. Undefined when the message is none. */
const throughAttributes = (message: Message, { format = 'auto' }: DecodeOptions): readonly Decoded[] | undefined =>
  isBinary(message.attributes) && (format === 'auto' || format === 'cloudevents') ? [decodeBinary(message)] : undefined;

/** The attributes of an SNS notification: `{"name":{"Type":"String","Value":"text"}}`. Undefined when one is no text. */
const snsAttributes = (value: object): Message['attributes'] | undefined => {
  const sent = field(value, 'MessageAttributes') ?? {};
  if (!isObject(sent)) return undefined;
  const pairs = Object.keys(sent).map((name) => [name, field(sent[name], 'Value')] as const);
  return pairs.every((pair): pair is readonly [string, string] => typeof pair[1] === 'string')
    ? Object.fromEntries(pairs)
    : undefined;
};

/** The body of an SNS notification, or what else SNS sends. Undefined when it is not from SNS. */
const throughSns = (value: object, options: DecodeOptions): readonly Decoded[] | undefined => {
  const type = textField(value, 'Type');
  if (!Object.hasOwn(value, 'TopicArn') && type !== 'Notification') return undefined;
  if (type === 'SubscriptionConfirmation')
    return reject('SNS asks to confirm a subscription: open its SubscribeURL, or subscribe a queue instead');
  if (type === 'UnsubscribeConfirmation') return [{ kind: 'ignore', reason: 'SNS confirms the end of a subscription' }];
  const text = field(value, 'Message');
  if (type !== 'Notification' || typeof text !== 'string') return undefined;
  const body = Buffer.from(text);
  const attributes = snsAttributes(value);
  if (!attributes) return reject('through SNS: MessageAttributes: expected a Value that is a string in each');
  const binary = throughAttributes({ attributes, body }, options);
  if (binary) return binary;
  const inner = parseJson(body);
  return 'problem' in inner ? reject(`through SNS: ${inner.problem}`) : decodeValue(inner.value, options);
};

/** What stands in a body that is no SNS envelope, or in one. */
const decodeValue = (value: unknown, options: DecodeOptions): readonly Decoded[] => {
  const format = options.format ?? 'auto';
  const wants = (name: Format): boolean => format === 'auto' || format === name;
  const { bucket } = options;
  if (!isObject(value)) return reject('the message is no JSON object');
  const producer = producers.find((name) => name === format);
  if ((format === 'auto' || producer) && (Object.hasOwn(value, 'Records') || isTestEvent(value)))
    return decodeS3(value, { ...(bucket !== undefined && { bucket }), ...(producer && { producer }) });
  if (wants('eventbridge') && Object.hasOwn(value, 'detail-type')) return [decodeEventBridge(value, options)];
  if (wants('cloudevents') && Object.hasOwn(value, 'specversion')) return [decodeStructured(value)];
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
  const { attributes, body } = message;
  if (format === 'gcs' || (format === 'auto' && isGcs(attributes))) return [decodeGcs(message, options)];
  const binary = throughAttributes(message, options);
  if (binary) return binary;
  const parsed = parseJson(body);
  if ('problem' in parsed) return reject(parsed.problem);
  const { value } = parsed;
  return (isObject(value) ? throughSns(value, options) : undefined) ?? decodeValue(value, options);
};
