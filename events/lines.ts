import { field, isObject, parseJson } from './limits.ts';
import type { Message } from './message.ts';

const textsOf = (value: unknown): Record<string, string> =>
  isObject(value)
    ? Object.fromEntries(
        Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
      )
    : {};

/**
 * One line of a file as the message that a broker would have delivered: a Pub/Sub push envelope
 * (`{"message":{"data":…,"attributes":…}}`), a pulled Pub/Sub message (`{"data":…,"attributes":…}`), an SQS message
 * (`{"Body":…}`), or the raw body itself.
 */
export const unwrapLine = (line: string): Message => {
  const raw: Message = { body: Buffer.from(line), attributes: {} };
  const parsed = parseJson(raw.body);
  if ('problem' in parsed || !isObject(parsed.value)) return raw;
  const value = parsed.value;
  const pubsub = isObject(field(value, 'message')) ? field(value, 'message') : value;
  const attributes = field(pubsub, 'attributes');
  const data = field(pubsub, 'data');
  if (
    (typeof data === 'string' || data === undefined) &&
    (isObject(attributes) || (typeof data === 'string' && !Object.hasOwn(value, 'specversion')))
  ) {
    return { body: Buffer.from(typeof data === 'string' ? data : '', 'base64'), attributes: textsOf(attributes) };
  }
  const body = field(value, 'Body');
  if (typeof body === 'string') {
    const sent = field(value, 'MessageAttributes');
    const names = isObject(sent) ? Object.keys(sent) : [];
    const pairs = names.flatMap((name) => {
      const text = field(field(sent, name), 'StringValue');
      return typeof text === 'string' ? [[name, text] as const] : [];
    });
    return { body: Buffer.from(body), attributes: Object.fromEntries(pairs) };
  }
  return raw;
};
