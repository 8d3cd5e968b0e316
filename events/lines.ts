import { field, isObject, type JsonObject, limits, parseJson } from './limits.ts';
import type { Message } from './message.ts';
import { looksNative } from './native.ts';

/** Attributes are texts; anything else is no message of a broker. */
const textsOf = (value: unknown): Record<string, string> | undefined => {
  if (value === undefined || value === null) return {};
  if (!isObject(value) || Object.values(value).some((text) => typeof text !== 'string')) return undefined;
  return { ...value } as Record<string, string>;
};

const base64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/**
 * `{"data":…,"attributes":…}`, as Pub/Sub hands it out by push (in an envelope) and by pull. Either may be missing, not
 * both. Undefined for anything else.
 */
export const pubsubMessage = (value: JsonObject): Message | undefined => {
  if (looksNative(value) || Object.hasOwn(value, 'specversion')) return undefined;
  const inner = field(value, 'message');
  const message = isObject(inner) ? inner : value;
  const data = field(message, 'data') ?? '';
  if (typeof data !== 'string' || !base64.test(data)) return undefined;
  const attributes = textsOf(field(message, 'attributes'));
  if (!attributes) return undefined;
  // Every message has one of them. What has neither is something else, and must stay as it is.
  if (!Object.hasOwn(message, 'data') && Object.keys(attributes).length === 0) return undefined;
  return { body: Buffer.from(data, 'base64'), attributes };
};

/**
 * The attributes of an SQS message; those that are bytes are left out. Undefined when one is neither text nor bytes: what
 * an attribute said must not be taken for an attribute that was never sent.
 */
const sqsAttributes = (value: unknown): Record<string, string> | undefined => {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) return undefined;
  const attributes = Object.entries(value);
  const isText = (sent: unknown): boolean => typeof field(sent, 'StringValue') === 'string';
  const isBytes = (sent: unknown): boolean => typeof field(sent, 'BinaryValue') === 'string';
  if (attributes.some(([, sent]) => !isText(sent) && !isBytes(sent))) return undefined;
  const texts = attributes.filter(([, sent]) => isText(sent));
  return Object.fromEntries(texts.map(([name, sent]) => [name, field(sent, 'StringValue') as string]));
};

/** `{"Body":…}`, as SQS hands it out. */
const sqsMessage = (value: JsonObject): Message | undefined => {
  const body = field(value, 'Body');
  const attributes = sqsAttributes(field(value, 'MessageAttributes'));
  return typeof body === 'string' && attributes ? { body: Buffer.from(body), attributes } : undefined;
};

/**
 * One line of a file as the message that a broker would have delivered: a Pub/Sub push envelope
 * (`{"message":{"data":…,"attributes":…}}`), a pulled Pub/Sub message (`{"data":…,"attributes":…}`), an SQS message
 * (`{"Body":…}`), or the raw body itself. A line that is none of them stays as it is.
 */
export const unwrapLine = (line: string): Message => {
  const raw: Message = { body: Buffer.from(line), attributes: {} };
  const parsed = parseJson(raw.body, limits.envelopeBytesMax);
  if ('problem' in parsed || !isObject(parsed.value)) return raw;
  return pubsubMessage(parsed.value) ?? sqsMessage(parsed.value) ?? raw;
};
