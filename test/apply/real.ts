import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import type { ApplyOptions } from '../../src/apply/apply.ts';
import type { Bucket } from '../../src/bucket/bucket.ts';
import type { BucketWriter } from '../../src/bucket/s3.ts';
import { type ClientOptions, createFileManagerClient, type FileManagerClient } from '../../src/file-manager/client.ts';
import type { Step } from '../../src/plan/operation.ts';
import { freshBucket } from '../bucket/support.ts';
import { holdings, started } from '../file-manager/support.ts';
import type { Fauxqs } from '../support/fauxqs.ts';
import { collected, type Given, stepOf, testClock } from './support.ts';

/** What a person between the service and its file manager may do to a request; without it, it passes. */
export type Meddling = (
  request: IncomingMessage,
  response: ServerResponse,
  /** Carries the request out for real, and gives the real answer without passing it on. */
  forward: () => Promise<{ status: number; body: string }>,
) => Promise<boolean | undefined> | boolean | undefined;

/** A proxy in front of the real file manager that meddles with requests. True of `meddling` means: it has answered. */
export const startProxy = async (t: ExecutionContext, target: string, meddling: Meddling): Promise<string> => {
  const passOn = (request: IncomingMessage): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const { method, headers } = request;
      const onward = send(`${target}${request.url}`, { method, headers }, resolve).on('error', reject);
      request.pipe(onward);
    });
  const server = createServer(async (request, response) => {
    for (const side of [request, response]) side.on('error', () => undefined);
    try {
      const forward = async (): Promise<{ status: number; body: string }> => {
        const answer = await passOn(request);
        const pieces: Buffer[] = [];
        for await (const piece of answer) pieces.push(piece as Buffer);
        return { status: answer.statusCode ?? 0, body: Buffer.concat(pieces).toString() };
      };
      if (await meddling(request, response, forward)) return;
      const answer = await passOn(request);
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('error', () => response.destroy()).pipe(response);
    } catch {
      response.destroy();
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

export type World = {
  readonly bucket: Bucket;
  readonly writer: BucketWriter;
  /** The real file manager, without anybody between. */
  readonly direct: FileManagerClient;
  readonly options: ApplyOptions & ReturnType<typeof collected>;
  /** Requests that reached the proxy: endpoint, path, idempotency key. */
  readonly requests: readonly { endpoint: string; key: string }[];
  /** Stores an object and makes the step that carries it over. */
  put(key: string, content: string | Buffer, given?: Given): Promise<Step>;
  /** What the file manager holds: content by path, with permissions. */
  files(): Promise<Record<string, string>>;
};

/** A real bucket, a real file manager, and a proxy between it and the executor. */
export const worldOf = async (
  t: ExecutionContext,
  access: Fauxqs,
  meddling: Meddling = () => undefined,
  limits: Partial<ClientOptions> = {},
): Promise<World> => {
  const { bucket, writer } = await freshBucket(t, access);
  const { server, client: direct } = await started(t);
  const requests: { endpoint: string; key: string }[] = [];
  const url = await startProxy(t, server.url, (request, ...rest) => {
    const endpoint = request.url?.split('?')[0] ?? '';
    requests.push({ endpoint, key: String(request.headers['idempotency-key']) });
    return meddling(request, ...rest);
  });
  const fileManager = createFileManagerClient({ baseUrl: url, ...limits });
  return {
    bucket,
    writer,
    direct,
    requests,
    options: { fileManager, bucket, concurrency: 4, clock: testClock(), ...collected() },
    put: async (key, content, given = {}) => {
      await writer.put(key, Buffer.from(content));
      const etag = createHash('md5').update(content).digest('hex');
      return stepOf('save', key, { size: Buffer.byteLength(content), etag, ...given });
    },
    files: () => holdings(direct),
  };
};

export const answer = (
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string> = {},
): true => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(body);
  return true;
};
