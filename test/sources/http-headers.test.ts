import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import test from 'ava';
import { createHttpSource } from '../../src/sources/http.ts';

const limits = { messagesMax: 10, bytesMax: 1_000_000, lingerMs: 20 };
const receiving = { signal: new AbortController().signal, idleMs: 2_000 };

/** Posts with exactly these headers, which `fetch` would mend; resolves with the status. */
const post = async (url: string, headers: Record<string, string>, body: string): Promise<number | undefined> => {
  const sent = request(url, { method: 'POST', headers: { authorization: 'Bearer right', ...headers } });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  answer.resume();
  return answer.statusCode;
};

test('whatever a sender says of what it sends, the message is taken', async (t) => {
  const source = await createHttpSource({ host: '127.0.0.1', port: 0, webhook: { token: 'right' } });
  t.teardown(source.close);
  const types = ['', 'text', ';;;', '/', 'application/json;;', 'application/json; charset="', 'text/plain', undefined];
  for (const type of types) {
    for (const how of [{}, { 'transfer-encoding': 'chunked' }]) {
      const headers = { ...how, ...(type !== undefined && { 'content-type': type }) };
      const answer = post(`${source.url}/webhook`, headers, '{"a":1}');
      const settled = Promise.race([
        answer,
        source.receive(limits, receiving).then(async (batch) => {
          await source.ack(batch);
          return batch[0]?.message.body.toString();
        }),
      ]);
      t.is(await settled, '{"a":1}', `${type}`);
      t.is(await answer, 204, `${type}`);
    }
  }
});
