import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { FastifyInstance } from 'fastify';

/**
 * An answer that is given before the whole body has arrived leaves at once and says that its connection closes; what the
 * sender has on the way is then read and thrown away, until it stops or `lingerMs` are over (RFC 9112, sections 9.3 and
 * 9.6). A connection that was kept would hold its next request up behind bytes that nobody reads; one that was closed with
 * bytes unread would be reset, and the answer often lost with it.
 */
export const answerEarly = (app: FastifyInstance, lingerMs: number): void => {
  app.addHook('onSend', async ({ raw }, reply, payload) => {
    if (!hasBody(raw) || raw.readableEnded || raw.destroyed) return payload;
    if (raw.complete || typeof payload !== 'string') {
      raw.resume();
      return payload;
    }
    reply.headers({ connection: 'close', 'content-length': Buffer.byteLength(payload) });
    return Readable.from(andTheRest(payload, raw, lingerMs), { objectMode: false });
  });
};

const hasBody = ({ headers }: IncomingMessage): boolean =>
  Number(headers['content-length'] ?? 0) > 0 || headers['transfer-encoding'] !== undefined;

/** The answer; it ends when nothing more of the body arrives. */
async function* andTheRest(payload: string, body: IncomingMessage, lingerMs: number): AsyncGenerator<Buffer> {
  yield Buffer.from(payload);
  body.resume();
  await finished(body, { writable: false, signal: AbortSignal.timeout(lingerMs) }).catch(() => undefined);
}
