import { once } from 'node:events';
import { createServer } from 'node:http';

/** What SQS is asked: the action's name, such as `ReceiveMessage`, and its JSON body. */
export type Asked = { readonly action: string; readonly body: Record<string, unknown> };
export type Answer = { readonly status: number; readonly body: unknown };

/**
 * A door in front of a real SQS server that passes requests on. `change` may answer in its place, or ask the server
 * itself with another body: for errors that the servers that run here never give.
 */
export const startSqsDoor = async (
  serverUrl: string,
  change: (asked: Asked, pass: (body: unknown) => Promise<Answer>) => Promise<Answer | undefined>,
): Promise<{ url: string; close(): void }> => {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const action = String(request.headers['x-amz-target']).split('.')[1] ?? '';
    const ended = new AbortController();
    response.once('close', () => ended.abort());
    const pass = async (body: unknown): Promise<Answer> => {
      const { host: _, 'content-length': __, connection: ___, ...headers } = request.headers;
      const answer = await fetch(new URL(request.url ?? '/', serverUrl), {
        method: 'POST',
        headers: headers as Record<string, string>,
        body: JSON.stringify(body),
        signal: ended.signal,
      });
      return { status: answer.status, body: await answer.json().catch(() => ({})) };
    };
    try {
      const body = JSON.parse(text) as Record<string, unknown>;
      const answer = (await change({ action, body }, pass)) ?? (await pass(body));
      response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.0' });
      response.end(JSON.stringify(answer.body));
    } catch {
      response.destroy();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
};
