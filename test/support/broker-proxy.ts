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

const statusOf = (status: number | undefined) => ({
  'grpc-status': `${status}`,
  'grpc-message': 'as the test wants it',
});

/**
 * A proxy to the Pub/Sub emulator that knows HTTP/2 streams. When a client is gone it cancels what the client had open, as
 * Google's front end does: left alone, the emulator holds the stream of a killed subscriber for ever, and goes on giving it
 * messages that then wait for their ack deadline, again and again. `failPulls` ends streaming pulls with a
 * gRPC status, those under way and those to come, until it is called without one.
 */
export const startBrokerProxy = async (
  targetPort: number,
): Promise<TcpProxy & { failPulls(status: number | undefined): void }> => {
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

  let pullStatus: number | undefined;
  const pulls = new Set<() => void>();

  const forward = (down: ServerHttp2Stream, headers: IncomingHttpHeaders): void => {
    const isPull = headers[':path']?.endsWith('/StreamingPull');
    if (isPull && pullStatus !== undefined) {
      down.respond(
        { ':status': 200, 'content-type': 'application/grpc', ...statusOf(pullStatus) },
        { endStream: true },
      );
      return;
    }
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
    const fail = (): void => {
      up.unpipe(down);
      trailers = statusOf(pullStatus);
      down.end();
    };
    if (isPull) pulls.add(fail);
    down.pipe(up);
    down.on('close', () => {
      pulls.delete(fail);
      up.close(constants.NGHTTP2_CANCEL);
    });
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
    failPulls: (status) => {
      pullStatus = status;
      if (status !== undefined) for (const fail of pulls) fail();
    },
    stop: async () => {
      cut();
      upstream?.destroy();
      server.close();
    },
  };
};
