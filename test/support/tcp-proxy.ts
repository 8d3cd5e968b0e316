import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export type TcpProxy = {
  readonly port: number;
  /** Cuts every connection, and each new one, until `restore`. */
  cut(): void;
  /** Lets connections through again, to another port if one is given. */
  restore(port?: number): void;
  stop(): Promise<void>;
};

/**
 * A door on 127.0.0.1 in front of a server, which can be shut: what a client sees of a server that restarts. A port that is
 * looked up is that of each new connection; undefined is nobody there.
 */
export const startTcpProxy = async (targetPort: number | (() => number | undefined)): Promise<TcpProxy> => {
  let isCut = false;
  let target = targetPort;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const port = typeof target === 'number' ? target : target();
    if (isCut || port === undefined) {
      client.destroy();
      return;
    }
    const upstream = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on('error', () => undefined);
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const cutAll = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    port,
    cut: () => {
      isCut = true;
      cutAll();
    },
    restore: (next) => {
      target = next ?? target;
      isCut = false;
    },
    stop: async () => {
      server.close();
      cutAll();
    },
  };
};
