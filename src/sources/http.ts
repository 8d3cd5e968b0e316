import { createHash, timingSafeEqual } from 'node:crypto';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import type { Message } from '../../events/message.ts';
import { createPushVerifier, type PushOptions } from './push-token.ts';
import type { Delivery, Source } from './source.ts';

export type HttpSourceOptions = {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** When given, webhooks must carry it as a bearer token. */
  readonly token?: string;
  /** How Pub/Sub push is let in: by its token, or by anyone (the emulator sends none). Without it, not at all. */
  readonly push?: PushOptions | 'unauthenticated';
  readonly bodyBytesMax?: number;
  /** Messages that may wait for their commit; past it the sender is told to come again. */
  readonly waitingMax?: number;
};

/** Sizes in bytes, times in milliseconds. */
const defaults = {
  bodyBytesMax: 10 * 1024 * 1024,
  waitingMax: 1_000,
  requestTimeoutMs: 30_000,
  headersTimeoutMs: 10_000,
  retryAfterSeconds: 5,
  connectionsMax: 1_000,
} as const;

type Waiting = { readonly delivery: Delivery; readonly bytes: number; readonly answer: (status: 204 | 503) => void };

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

const bearerOf = (request: FastifyRequest): string =>
  /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';

/** CloudEvents in binary mode: the `ce-…` headers are its attributes. */
const attributesOf = (request: FastifyRequest): Record<string, string> =>
  Object.fromEntries(
    Object.entries(request.headers).filter(
      (entry): entry is [string, string] => entry[0].startsWith('ce-') && typeof entry[1] === 'string',
    ),
  );

type PushEnvelope = {
  readonly message?: {
    readonly data?: unknown;
    readonly attributes?: Record<string, unknown>;
    readonly messageId?: unknown;
  };
};

const pushed = (body: Buffer): { message: Message; id: string } | undefined => {
  try {
    const { message } = JSON.parse(body.toString('utf8')) as PushEnvelope;
    if (typeof message !== 'object' || message === null) return undefined;
    const attributes = Object.entries(message.attributes ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    );
    const data = typeof message.data === 'string' ? message.data : '';
    return {
      message: { body: Buffer.from(data, 'base64'), attributes: Object.fromEntries(attributes) },
      id: String(message.messageId ?? ''),
    };
  } catch {
    return undefined;
  }
};

/**
 * A receiver of Pub/Sub push (`POST /push`) and of webhooks (`POST /webhook`, and `POST /`: MinIO, Ceph, CloudEvents).
 * A request is answered only when its message was acked, which is after the commit: 204, or 503 when it was given back.
 */
export const createHttpSource = async (options: HttpSourceOptions): Promise<Source & { readonly url: string }> => {
  const { bodyBytesMax = defaults.bodyBytesMax, waitingMax = defaults.waitingMax, token, push } = options;
  const verifyPush = push === undefined || push === 'unauthenticated' ? undefined : createPushVerifier(push);
  const waiting: Waiting[] = [];
  const handedOut = new Map<Delivery, Waiting>();
  let wake: (() => void) | undefined;
  let closed = false;
  let number = 0;

  const server = fastify({
    bodyLimit: bodyBytesMax,
    requestTimeout: defaults.requestTimeoutMs,
    http: { headersTimeout: defaults.headersTimeoutMs, maxHeaderSize: 32_768 },
    forceCloseConnections: 'idle',
  });
  server.server.maxConnections = defaults.connectionsMax;
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body));

  const later = (reply: FastifyReply): FastifyReply =>
    reply.code(503).header('retry-after', String(defaults.retryAfterSeconds)).send();

  const take = (reply: FastifyReply, message: Message, id: string): Promise<void> | FastifyReply => {
    if (closed || waiting.length + handedOut.size >= waitingMax) return later(reply);
    number += 1;
    return new Promise((resolve) => {
      const delivery: Delivery = { message, deliveryId: id || `http:${number}` };
      const answer = (status: 204 | 503): void => {
        if (status === 204) reply.code(204).send();
        else later(reply);
        resolve();
      };
      waiting.push({ delivery, bytes: message.body.length, answer });
      wake?.();
    });
  };

  const bodyOf = (request: FastifyRequest): Buffer => (Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0));

  const webhook = (request: FastifyRequest, reply: FastifyReply): Promise<void> | FastifyReply => {
    if (token !== undefined && !timingSafeEqual(digest(bearerOf(request)), digest(token)))
      return reply.code(401).send();
    return take(reply, { body: bodyOf(request), attributes: attributesOf(request) }, '');
  };
  server.post('/webhook', webhook);
  server.post('/', webhook);
  server.post('/push', async (request, reply) => {
    if (push === undefined) return reply.code(404).send();
    const problem = await verifyPush?.(bearerOf(request));
    if (problem !== undefined) return reply.code(401).send({ detail: problem });
    const body = bodyOf(request);
    const { message, id } = pushed(body) ?? { message: { body, attributes: {} }, id: '' };
    return take(reply, message, id);
  });
  server.get('/health', async () => ({ ok: !closed, waiting: waiting.length }));
  // MinIO asks whether its endpoint is there before it sends anything.
  server.head('/webhook', async (_, reply) => reply.code(200).send());
  const url = await server.listen({ host: options.host, port: options.port });

  const arrival = (signal: AbortSignal, ms: number | undefined): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        wake = undefined;
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(done, ms);
      signal.addEventListener('abort', done);
      wake = done;
      if (signal.aborted || closed) done();
    });

  const settle = (deliveries: readonly Delivery[], status: 204 | 503): void => {
    for (const delivery of deliveries) {
      handedOut.get(delivery)?.answer(status);
      handedOut.delete(delivery);
    }
  };

  return {
    name: 'http',
    url,
    receive: async ({ messagesMax, bytesMax, lingerMs }, { signal, idleMs }) => {
      if (waiting.length === 0) await arrival(signal, idleMs);
      const end = Date.now() + lingerMs;
      while (waiting.length > 0 && waiting.length < messagesMax && Date.now() < end && !signal.aborted)
        await arrival(signal, end - Date.now());
      const batch: Delivery[] = [];
      for (
        let bytes = 0;
        waiting.length > 0 && batch.length < messagesMax && (bytes < bytesMax || batch.length === 0);
      ) {
        const next = waiting.shift() as Waiting;
        bytes += next.bytes;
        handedOut.set(next.delivery, next);
        batch.push(next.delivery);
      }
      return batch;
    },
    ack: async (deliveries) => settle(deliveries, 204),
    nack: async (deliveries) => settle(deliveries, 503),
    close: async () => {
      closed = true;
      wake?.();
      for (const { answer } of waiting.splice(0)) answer(503);
      await server.close();
    },
  };
};
