import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Message } from '../../events/message.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The bearer token of a request; empty when there is none. */
export const bearerOf = (headers: IncomingHttpHeaders): string =>
  /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';

/** Compares in constant time, whatever the lengths. */
export const sameSecret = (given: string, expected: string): boolean =>
  timingSafeEqual(digest(given), digest(expected));

/** A request as the message that it carries. CloudEvents in binary mode: the `ce-…` headers are its attributes. */
export const webhookMessage = (headers: IncomingHttpHeaders, body: Buffer): Message => ({
  body,
  attributes: Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string] => entry[0].startsWith('ce-') && typeof entry[1] === 'string',
    ),
  ),
});

type PushEnvelope = {
  readonly message?: {
    readonly data?: unknown;
    readonly attributes?: Record<string, unknown>;
    readonly messageId?: unknown;
  };
};

/** What a Pub/Sub push envelope holds, and Pub/Sub's id of it. What is no envelope stays as it came, to be quarantined. */
export const pushedMessage = (body: Buffer): { readonly message: Message; readonly id: string } => {
  const raw = { message: { body, attributes: {} }, id: '' };
  try {
    const { message } = JSON.parse(body.toString('utf8')) as PushEnvelope;
    if (typeof message !== 'object' || message === null) return raw;
    const attributes = Object.entries(message.attributes ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    );
    const data = typeof message.data === 'string' ? message.data : '';
    return {
      message: { body: Buffer.from(data, 'base64'), attributes: Object.fromEntries(attributes) },
      id: String(message.messageId ?? ''),
    };
  } catch {
    return raw;
  }
};
