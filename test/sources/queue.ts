import type { ExecutionContext } from 'ava';
import { ensureQueue } from '../../src/sources/sqs-client.ts';
import { createSqsPublisher } from '../../src/sources/sqs-publisher.ts';
import { uniqueName } from '../support/servers.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import type { Wire } from './conformance.ts';

export type QueueServer = {
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
};

export const accessOf = (server: QueueServer, url = server.url) => ({
  endpoint: url,
  region: server.region,
  credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
});

/** Makes a queue; its URL leads to `through`, which may be a proxy. */
export const makeQueue = async (
  server: QueueServer,
  {
    fifo = false,
    attributes = {},
    through = server.url,
  }: { fifo?: boolean; attributes?: Record<string, string>; through?: string } = {},
): Promise<string> => {
  const queueName = `${uniqueName('queue')}${fifo ? '.fifo' : ''}`;
  const named = await ensureQueue({
    queueName,
    ...accessOf(server),
    attributes: { ...(fifo && { FifoQueue: 'true' }), ...attributes },
  });
  return new URL(new URL(named).pathname, through).href;
};

export const sendTo = async (server: QueueServer, queueUrl: string, bodies: readonly string[]): Promise<void> => {
  const publisher = createSqsPublisher({
    queueUrl: new URL(new URL(queueUrl).pathname, server.url).href,
    ...accessOf(server),
  });
  await publisher.publish(
    bodies.map((body, n) => ({
      body: Buffer.from(body),
      attributes: {},
      group: /"path":"([^"]*)/.exec(body)?.[1] ?? `g${n}`,
    })),
  );
  await publisher.close();
};

/**
 * A fresh queue behind a door that can be shut. `restarted` gives the server that is there after a restart; one that is
 * another has forgotten everything, and gets it again.
 */
export const queueWire = async (
  server: QueueServer,
  options: { readonly fifo: boolean; readonly restarted: (t?: ExecutionContext) => Promise<QueueServer> },
): Promise<Wire> => {
  const proxy = await startTcpProxy(Number(new URL(server.url).port));
  const through = `http://127.0.0.1:${proxy.port}`;
  const queueUrl = await makeQueue(server, { fifo: options.fifo, through });
  const sent: string[] = [];
  let current = server;
  return {
    spec: { kind: 'sqs', queueUrl, ...accessOf(server, through), visibilitySeconds: 3, pollers: 2 },
    send: async (bodies) => {
      sent.push(...bodies);
      await sendTo(current, queueUrl, bodies);
    },
    restart: async () => {
      proxy.cut();
      current = await options.restarted();
      if (current.url !== server.url) {
        await ensureQueue({
          queueName: new URL(queueUrl).pathname.split('/').at(-1) as string,
          ...accessOf(current),
          attributes: options.fifo ? { FifoQueue: 'true' } : {},
        });
        await sendTo(current, queueUrl, sent);
      }
      proxy.restore(Number(new URL(current.url).port));
    },
    close: () => proxy.stop(),
  };
};
