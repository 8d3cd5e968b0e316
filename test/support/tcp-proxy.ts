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

/** A door on 127.0.0.1 in front of a server, which can be shut: what a client sees of a server that restarts. */
export const startTcpProxy = async (targetPort: number): Promise<TcpProxy> => {
  let target: number | undefined = targetPort;
  let last = targetPort;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    if (target === undefined) {
      client.destroy();
      return;
    }
    const upstream = connect(target, '127.0.0.1');
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
      target = undefined;
      cutAll();
    },
    restore: (next) => {
      last = next ?? last;
      target = last;
    },
    stop: async () => {
      server.close();
      cutAll();
    },
  };
};
