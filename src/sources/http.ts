import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import type { Message } from '../../events/message.ts';
import { bearerOf, sameSecret } from '../bearer.ts';
import { ConfigError, messageOf } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import { createAdmission, type Room } from './admission.ts';
import { codingOf, codingsTaken, decodedBody, mostHeld } from './content-coding.ts';
import { pushedMessage, webhookMessage } from './http-messages.ts';
import { createInbox } from './inbox.ts';
import { createPushVerifier, type PushOptions } from './push-token.ts';
import type { Delivery, Source } from './source.ts';

export type HttpSourceOptions = {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** How webhooks are let in: by their bearer token, or anyone. Without it, not at all. */
  readonly webhook?: { readonly token: string } | 'unauthenticated';
  /** How Pub/Sub push is let in: by its token, or anyone (the emulator sends none). Without it, not at all. */
  readonly push?: PushOptions | 'unauthenticated';
  readonly limits?: Partial<HttpLimits>;
};

export type HttpLimits = {
  /** Pub/Sub's largest message is 10 MB, which its push envelope carries in base64. */
  readonly bodyBytesMax: number;
  /** Requests that are being received or wait for their commit; past it the sender is told to come again. */
  readonly messagesMax: number;
  /** Their bodies together. At least `bodyBytesMax`, or a body of unknown length is never let in. */
  readonly bytesMax: number;
  readonly connectionsMax: number;
  /** A request whose headers, or which as a whole, takes longer to arrive is cut off. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** How long `close` waits for requests that are still arriving. */
  readonly closeMsMax: number;
};

const httpLimits: HttpLimits = {
  bodyBytesMax: 16 * 1024 * 1024,
  messagesMax: 1_000,
  bytesMax: 64 * 1024 * 1024,
  connectionsMax: 1_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  closeMsMax: 2_000,
};

const headerBytesMax = 32 * 1024;
const retryAfterSeconds = 5;
/** A refused body up to this size is read and thrown away, so that its sender hears the answer; for a larger one the connection is cut. */
const drainedBytesMax = 64 * 1024;

type Answer = (status: 204 | 503) => void;

/**
 * A receiver of Pub/Sub push (`POST /push`) and of webhooks (`POST /webhook`, and `POST /`: MinIO, Ceph, CloudEvents).
 * A request is answered only when its message was acked, which is after the commit: 204, or 503 when it was given back.
 * Who may not send, and whom there is no room for, is turned away before the body is read. A sender that hangs up while
 * its message waits will send it again; the log's dedupe absorbs that.
 *
 * `receive` never lingers: each sender waits for its answer, and what arrives during a commit makes the next batch.
 */
export const createHttpSource = async (options: HttpSourceOptions): Promise<Source & { readonly url: string }> => {
  const limits = { ...httpLimits, ...options.limits };
  const { push, webhook } = options;
  const verifyPush = push === undefined || push === 'unauthenticated' ? undefined : createPushVerifier(push);
  const admission = createAdmission(limits);
  const inbox = createInbox();
  const rooms = new WeakMap<FastifyRequest, Room>();
  const answers = new Map<Delivery, Answer>();
  let closed = false;
  let closing: Promise<void> | undefined;
  let number = 0;

  const server = fastify({
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: limits.requestTimeoutMs,
    http: {
      headersTimeout: limits.headersTimeoutMs,
      maxHeaderSize: headerBytesMax,
      // Node looks for slow requests this often, and no oftener.
      connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs / 2),
    },
    forceCloseConnections: 'idle',
  });
  server.server.maxConnections = limits.connectionsMax;
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'buffer' }, ({ headers }: FastifyRequest, body: Buffer) =>
    decodedBody(headers['content-encoding'], body, limits.bodyBytesMax),
  );
  // What a message is, its body says. A header that is none of HTTP's would be refused before anybody looks at it.
  server.addHook('onRequest', async ({ raw }) => {
    delete raw.headers['content-type'];
  });

  const declaredBytes = (request: FastifyRequest): number => {
    const declared = request.headers['content-length'];
    if (declared !== undefined) return Number(declared);
    return request.headers['transfer-encoding'] === undefined ? 0 : limits.bodyBytesMax;
  };

  const turnAway = (
    request: FastifyRequest,
    reply: FastifyReply,
    status: 401 | 415 | 503,
    detail?: string,
  ): FastifyReply => {
    if (declaredBytes(request) > drainedBytesMax) reply.header('connection', 'close');
    if (status === 503) reply.header('retry-after', String(retryAfterSeconds));
    if (status === 415) reply.header('accept-encoding', codingsTaken);
    return reply.code(status).send(detail === undefined ? undefined : { detail });
  };

  /** Before the body is read: a place for the most that it can be. Too long a body is refused by the server itself. */
  const enter = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const coding = request.headers['content-encoding'];
    if (codingOf(coding) === undefined)
      return turnAway(request, reply, 415, `Content-Encoding may be one of ${codingsTaken}`);
    const most = Math.min(mostHeld(coding, declaredBytes(request)), limits.bodyBytesMax);
    const room = closed ? undefined : admission.enter(most);
    if (!room) return turnAway(request, reply, 503);
    rooms.set(request, room);
    reply.raw.once('close', () => {
      if (rooms.get(request) === room) room.release();
    });
    return undefined;
  };

  const bodyOf = (request: FastifyRequest): Buffer => (Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0));

  /** From here on the message keeps its place until it is settled, even when its sender hangs up. */
  const take = (request: FastifyRequest, reply: FastifyReply, message: Message, id: string): Promise<void> => {
    const room = rooms.get(request);
    rooms.delete(request);
    room?.shrinkTo(bodyOf(request).length);
    number += 1;
    const delivery: Delivery = { message, deliveryId: id || `http:${number}` };
    return new Promise((resolve) => {
      answers.set(delivery, (status) => {
        room?.release();
        if (status === 204) reply.code(204).send();
        else reply.code(503).header('retry-after', String(retryAfterSeconds)).send();
        resolve();
      });
      failpoint('http.received');
      inbox.put(delivery, message.body.length);
      if (closed) settle([delivery], 503);
    });
  };

  const settle = (deliveries: readonly Delivery[], status: 204 | 503): void => {
    for (const delivery of deliveries) {
      answers.get(delivery)?.(status);
      answers.delete(delivery);
    }
  };

  if (webhook !== undefined) {
    const authenticate = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> =>
      webhook === 'unauthenticated' || sameSecret(bearerOf(request.headers), webhook.token)
        ? undefined
        : turnAway(request, reply, 401);
    const handler = (request: FastifyRequest, reply: FastifyReply): Promise<void> =>
      take(request, reply, webhookMessage(request.headers, bodyOf(request)), '');
    for (const path of ['/webhook', '/']) server.post(path, { onRequest: [authenticate, enter] }, handler);
    // MinIO asks whether its endpoint is there before it sends anything.
    server.head('/webhook', async (_, reply) => reply.code(200).send());
  }
  if (push !== undefined) {
    const authenticate = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
      const problem = await verifyPush?.(bearerOf(request.headers));
      if (problem === undefined) return undefined;
      return turnAway(request, reply, problem.kind === 'refused' ? 401 : 503, problem.detail);
    };
    server.post('/push', { onRequest: [authenticate, enter] }, (request, reply) => {
      const { message, id } = pushedMessage(bodyOf(request));
      return take(request, reply, message, id);
    });
  }
  server.get('/health', async () => ({ ok: !closed, waiting: answers.size }));
  const { host, port } = options;
  const url = await server.listen({ host, port }).catch((error: unknown) => {
    const text = `cannot listen on ${host}:${port}: ${messageOf(error)}; set HTTP_HOST and HTTP_PORT to a free address`;
    throw new ConfigError(text, { cause: error });
  });

  const shutDown = async (): Promise<void> => {
    closed = true;
    inbox.close();
    settle([...answers.keys()], 503);
    const cut = setTimeout(() => server.server.closeAllConnections(), limits.closeMsMax);
    await server.close();
    clearTimeout(cut);
  };

  return {
    name: 'http',
    url,
    receive: (batch, receiving) => inbox.take({ ...batch, lingerMs: 0 }, receiving),
    ack: async (deliveries) => {
      failpoint('http.answer.before');
      settle(deliveries, 204);
      failpoint('http.answer.after');
    },
    nack: async (deliveries) => settle(deliveries, 503),
    close: () => {
      closing ??= shutDown();
      return closing;
    },
  };
};
