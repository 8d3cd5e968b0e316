import type { IncomingHttpHeaders } from 'node:http';
import { field, isObject, limits, parseJson, textField } from '../../events/limits.ts';
import { pubsubMessage } from '../../events/lines.ts';
import type { Message } from '../../events/message.ts';

/** A CloudEvents attribute as a header carries it: characters beyond ASCII are percent-encoded (HTTP binding, 3.1.3.2). */
const attributeText = (header: string): string => {
  const bare = /^".*"$/.test(header) ? header.slice(1, -1).replace(/\\(.)/g, '$1') : header;
  try {
    return decodeURIComponent(bare);
  } catch {
    return bare;
  }
};

/** A request as the message that it carries. CloudEvents in binary mode: the `ce-…` headers are its attributes. */
export const webhookMessage = (headers: IncomingHttpHeaders, body: Buffer): Message => ({
  body,
  attributes: Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith('ce-') && typeof value === 'string' ? [[name, attributeText(value)] as const] : [],
    ),
  ),
});

/** What a Pub/Sub push envelope holds, and Pub/Sub's id of it. What is no envelope stays as it came, to be quarantined. */
export const pushedMessage = (body: Buffer): { readonly message: Message; readonly id: string } => {
  const raw = { message: { body, attributes: {} }, id: '' };
  const parsed = parseJson(body, limits.envelopeBytesMax);
  const inner = 'problem' in parsed ? undefined : field(parsed.value, 'message');
  const message = isObject(inner) ? pubsubMessage(inner) : undefined;
  return message ? { message, id: textField(inner, 'messageId') ?? '' } : raw;
};
