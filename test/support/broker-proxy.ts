import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TcpProxy } from './tcp-proxy.ts';

/**
 * A proxy to the Pub/Sub emulator that knows HTTP/2 streams. When a client is gone it cancels what the client had open, as
 * Google's front end does: left alone, the emulator holds the stream of a killed subscriber for ever, and goes on giving it
 * messages that then wait for their ack deadline, again and again.
 */
export const startBrokerProxy = async (targetPort: number): Promise<TcpProxy> => {
  let upstream: ClientHttp2Session | undefined;
  const sessions = new Set<ServerHttp2Session>();
  let isCut = false;
  let port = targetPort;

  const target = (): ClientHttp2Session => {
    if (!upstream || upstream.closed || upstream.destroyed) {
      upstream = connect(`http://127.0.0.1:${port}`);
      // Its streams fail with it, and are answered below.
      upstream.on('error', () => undefined);
    }
    return upstream;
  };

  const forward = (down: ServerHttp2Stream, headers: IncomingHttpHeaders): void => {
    const up = target().request(headers, { endStream: false });
    let trailers: IncomingHttpHeaders = {};
    up.on('response', (answer, flags) => {
      if (down.destroyed) return;
      const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      down.respond(answer, isWhole ? { endStream: true } : { waitForTrailers: true });
      if (!isWhole) up.pipe(down);
    });
    up.on('trailers', (given) => {
      trailers = given;
    });
    down.on('wantTrailers', () => down.sendTrailers(trailers));
    down.pipe(up);
    down.on('close', () => up.close(constants.NGHTTP2_CANCEL));
    up.on('close', () => {
      if (!down.destroyed && up.rstCode !== constants.NGHTTP2_NO_ERROR) down.close(up.rstCode);
    });
    for (const side of [down, up]) side.on('error', () => undefined);
  };

  const server = createServer();
  server.on('session', (session) => {
    if (isCut) return session.destroy();
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => undefined);
  });
  server.on('stream', forward);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const cut = (): void => {
    isCut = true;
    for (const session of sessions) session.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    restore: (other) => {
      if (other !== undefined && other !== port) {
        port = other;
        upstream?.destroy();
      }
      isCut = false;
    },
    stop: async () => {
      cut();
      upstream?.destroy();
      server.close();
    },
  };
};
