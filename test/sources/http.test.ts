import { once } from 'node:events';
import { createServer } from 'node:http';
import test from 'ava';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createHttpSource } from '../../src/sources/http.ts';

const limits = { messagesMax: 10, bytesMax: 1_000_000, lingerMs: 20 };
const receiving = { signal: new AbortController().signal, idleMs: 2_000 };

test('a webhook is answered only after its message was acked, and not let in without its token', async (t) => {
  const source = await createHttpSource({ host: '127.0.0.1', port: 0, token: 'right' });
  const post = (token: string) =>
    fetch(`${source.url}/webhook`, {
      method: 'POST',
      body: '{"a":1}',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'ce-id': '7' },
      signal: AbortSignal.timeout(3_000),
    });
  t.is(
    await post('wrong').then(
      ({ status }) => status,
      () => 'no answer',
    ),
    401,
  );
  let answered = false;
  const answer = post('right').then((response) => {
    answered = true;
    return response.status;
  });
  const batch = await source.receive(limits, receiving);
  t.is(batch[0]?.message.body.toString(), '{"a":1}');
  t.is(batch[0]?.message.attributes['ce-id'], '7');
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.false(answered, 'nothing is acknowledged before the commit');
  await source.ack(batch);
  t.is(await answer, 204);
  const again = post('right');
  await source.nack(await source.receive(limits, receiving));
  t.is((await again).status, 503);
  await source.close();
});

test('a full receiver tells its senders to come again', async (t) => {
  const source = await createHttpSource({ host: '127.0.0.1', port: 0, waitingMax: 1 });
  const first = fetch(`${source.url}/webhook`, { method: 'POST', body: '1' });
  const batch = await source.receive(limits, receiving);
  const second = await fetch(`${source.url}/webhook`, { method: 'POST', body: '2' });
  t.is(second.status, 503);
  t.truthy(second.headers.get('retry-after'));
  await source.ack(batch);
  t.is((await first).status, 204);
  await source.close();
});

test('a push is let in by a token that is signed, current, and made out to us by the right account', async (t) => {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
  const other = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' };
  const keys = createServer((_, response) =>
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] })),
  ).listen(0, '127.0.0.1');
  await once(keys, 'listening');
  const { port } = keys.address() as { port: number };
  const push = {
    audience: 'https://sync.example',
    email: 'push@example.iam',
    issuer: 'https://issuer.example',
    jwksUrl: `http://127.0.0.1:${port}/`,
  };
  const source = await createHttpSource({ host: '127.0.0.1', port: 0, push });
  const claims = { email: push.email, email_verified: true };
  const token = (
    fields: Record<string, unknown>,
    { audience = push.audience, issuer = push.issuer, expires = '1h', key = privateKey } = {},
  ) =>
    new SignJWT(fields)
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .setAudience(audience)
      .setIssuer(issuer)
      .setExpirationTime(expires)
      .sign(key);
  const post = async (bearer: string | Promise<string>) =>
    fetch(`${source.url}/push`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await bearer}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        message: { data: Buffer.from('hello').toString('base64'), attributes: { a: 'b' }, messageId: '1' },
        subscription: 's',
      }),
    });
  for (const [title, bearer] of [
    ['no token', ''],
    ['another audience', token(claims, { audience: 'https://else.example' })],
    ['another issuer', token(claims, { issuer: 'https://else.example' })],
    ['expired', token(claims, { expires: '-1h' })],
    ['another key', token(claims, { key: other.privateKey })],
    ['another e-mail', token({ ...claims, email: 'x@y' })],
    ['an e-mail that is not verified', token({ ...claims, email_verified: false })],
  ] as const) {
    t.is((await post(bearer)).status, 401, title);
  }
  const good = post(token(claims));
  const batch = await source.receive(limits, receiving);
  t.like(batch[0], { deliveryId: '1', message: { attributes: { a: 'b' } } });
  t.is(batch[0]?.message.body.toString(), 'hello');
  await source.ack(batch);
  t.is((await good).status, 204);
  await source.close();
  keys.close();
});
