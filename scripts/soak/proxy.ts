import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Counts, Random } from './random.ts';

/** What may happen to a request between the service and its file manager, with how often it does beside the others. */
const faults = {
  'slow request': 6,
  'reset before': 3,
  'reset after effect': 3,
  '503 before': 3,
  '429 retry-after': 2,
  '500 after effect': 3,
  'request cut': 3,
  'answer cut': 3,
  'answer drips': 2,
  'no JSON in 200': 1,
  '409 by mistake': 1,
  '401 in mid-cycle': 0.3,
  redirect: 0.3,
} as const;

type Fault = keyof typeof faults;

export type FaultProxy = {
  readonly url: string;
  /** Requests that came so far. */
  requests(): number;
  /** From now on every request passes as it is. */
  behave(): void;
  close(): void;
};

type Answer = { readonly status: number; readonly headers: IncomingMessage['headers']; readonly body: Buffer };

const bodyOf = async (stream: IncomingMessage): Promise<Buffer> => {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
};

const problem = (response: ServerResponse, status: number, headers: Record<string, string> = {}): void => {
  const body = JSON.stringify({ type: 'about:blank', title: 'Injected by the proxy', status, detail: 'soak' });
  response.writeHead(status, { 'content-type': 'application/problem+json', ...headers }).end(body);
};

/** An HTTP proxy on 127.0.0.1 that meddles with a share of the requests. Bodies are held in memory: keep them small. */
export const startFaultProxy = async (options: {
  readonly target: string;
  readonly random: Random;
  readonly counts: Counts;
  /** Share of the requests that something happens to. */
  readonly share: number;
}): Promise<FaultProxy> => {
  const { target, random, counts } = options;
  let share = options.share;
  let requests = 0;

  const forward = async ({ method, headers, url }: IncomingMessage, body: Buffer): Promise<Answer> => {
    const onward = send(`${target}${url}`, { method, headers });
    const answered = once(onward, 'response') as Promise<[IncomingMessage]>;
    onward.end(body);
    const [answer] = await answered;
    return { status: answer.statusCode ?? 502, headers: answer.headers, body: await bodyOf(answer) };
  };

  /** Hands over the first half of the body, and then the connection breaks, towards both sides. */
  const cutRequest = async ({ method, headers, url }: IncomingMessage, body: Buffer): Promise<void> => {
    const onward = send(`${target}${url}`, { method, headers }).on('error', () => undefined);
    onward.write(body.subarray(0, Math.floor(body.length / 2)));
    await sleep(50);
    onward.destroy();
  };

  const pass = (response: ServerResponse, { status, headers, body }: Answer): void => {
    response.writeHead(status, headers).end(body);
  };

  const drip = async (response: ServerResponse, { status, headers, body }: Answer): Promise<void> => {
    response.writeHead(status, headers);
    for (let at = 0; at < body.length && !response.destroyed; at += 16) {
      response.write(body.subarray(at, at + 16));
      await sleep(20);
    }
    response.end();
  };

  const meddle = async (fault: Fault, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request);
    switch (fault) {
      case 'slow request':
        await sleep(random.between(20, 800));
        return pass(response, await forward(request, body));
      case 'reset before':
        return void response.destroy();
      case 'reset after effect':
        await forward(request, body);
        return void response.destroy();
      case '503 before':
        return problem(response, 503);
      case '429 retry-after':
        return problem(response, 429, { 'retry-after': '1' });
      case '500 after effect':
        await forward(request, body);
        return problem(response, 500);
      case 'request cut':
        await cutRequest(request, body);
        return void response.destroy();
      case 'answer cut': {
        const answer = await forward(request, body);
        response.writeHead(answer.status, answer.headers);
        response.write(answer.body.subarray(0, Math.floor(answer.body.length / 2)), () => response.destroy());
        return;
      }
      case 'answer drips':
        return drip(response, await forward(request, body));
      case 'no JSON in 200':
        return void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Welcome</html>');
      case '409 by mistake':
        return problem(response, 409);
      case '401 in mid-cycle':
        return problem(response, 401);
      case 'redirect':
        return void response.writeHead(307, { location: 'http://127.0.0.1:9/' }).end();
    }
  };

  const server = createServer((request, response) => {
    requests += 1;
    for (const side of [request, response]) side.on('error', () => undefined);
    const work = async (): Promise<void> => {
      if (!random.chance(share)) return pass(response, await forward(request, await bodyOf(request)));
      const fault = random.weighted(faults);
      counts.add(fault);
      await meddle(fault, request, response);
    };
    // The file manager may be down: then the service sees its connection end.
    work().catch(() => response.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    behave: () => {
      share = 0;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

export const faultKinds = Object.keys(faults) as readonly Fault[];
