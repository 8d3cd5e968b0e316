import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { admitsOf } from '../../src/commands/sources.ts';
import { loadConfig } from '../../src/config/config.ts';
import { ConfigError } from '../../src/errors.ts';
import { createHttpSource, type HttpSourceOptions } from '../../src/sources/http.ts';

const limitsOf = { messagesMax: 10, bytesMax: 1_000_000, lingerMs: 20 };
const receiving = { signal: new AbortController().signal, idleMs: 2_000 };

/** A receiver on a free port, closed when the test ends, however it ends. */
const receiver = async (t: ExecutionContext, options: Omit<HttpSourceOptions, 'host' | 'port'>) => {
  const source = await createHttpSource({ host: '127.0.0.1', port: 0, ...options });
  t.teardown(source.close);
  return source;
};

test('a webhook is answered only after its message was acked, and not let in without its token', async (t) => {
  const source = await receiver(t, { webhook: { token: 'right' } });
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
  for (const other of ['', 'r', 'righ', 'rightright', 'RIGHT'])
    t.is((await post(other)).status, 401, 'whatever its length');
  let answered = false;
  const answer = post('right').then((response) => {
    answered = true;
    return response.status;
  });
  const batch = await source.receive(limitsOf, receiving);
  t.is(batch[0]?.message.body.toString(), '{"a":1}');
  t.is(batch[0]?.message.attributes['ce-id'], '7');
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.false(answered, 'nothing is acknowledged before the commit');
  await source.ack(batch);
  t.is(await answer, 204);
  const again = post('right');
  await source.nack(await source.receive(limitsOf, receiving));
  t.is((await again).status, 503);
  await source.close();
});

/** A request written by hand: resolves with the status, and whether the connection was cut, once the server ended it. */
const byHand = (url: string, pieces: readonly (string | number)[]): Promise<{ status: number; ms: number }> =>
  new Promise((resolve) => {
    const begun = performance.now();
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    let answer = '';
    let closed = false;
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', () => undefined);
    // Who waits in vain is told so: status 0.
    const patience = setTimeout(() => socket.destroy(), 5_000);
    socket.on('close', () => {
      clearTimeout(patience);
      closed = true;
      resolve({ status: Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1] ?? 0), ms: performance.now() - begun });
    });
    const write = async () => {
      for (const piece of pieces) {
        if (closed) return;
        if (typeof piece === 'string') socket.write(piece);
        else await sleep(piece);
      }
    };
    void write();
  });

const headOf = (bytes: number, ...more: string[]) =>
  [`POST /webhook HTTP/1.1`, 'host: x', `content-length: ${bytes}`, ...more, '', ''].join('\r\n');

test('who may not send, and whom there is no room for, is turned away before the body is read', async (t) => {
  const limits = { bodyBytesMax: 1_000_000, bytesMax: 1_500_000, requestTimeoutMs: 60_000 };
  const source = await receiver(t, { webhook: { token: 'right' }, limits });
  // Nobody sends a body in this test: an answer can only have come without it.
  t.is((await byHand(source.url, [headOf(900_000, 'authorization: Bearer wrong')])).status, 401);
  t.is((await byHand(source.url, [headOf(2_000_000, 'authorization: Bearer right')])).status, 413);
  const slow = connect(Number(new URL(source.url).port), '127.0.0.1');
  slow.write(headOf(900_000, 'authorization: Bearer right'));
  await sleep(50);
  t.is((await byHand(source.url, [headOf(900_000, 'authorization: Bearer right')])).status, 503, 'two do not fit');
  const chunked = headOf(0, 'authorization: Bearer right').replace('content-length: 0', 'transfer-encoding: chunked');
  t.is((await byHand(source.url, [chunked])).status, 503, 'a body of unknown length counts as the longest');
  slow.destroy();
  await sleep(50);
  const fits = fetch(`${source.url}/webhook`, {
    method: 'POST',
    body: 'x'.repeat(900_000),
    headers: { authorization: 'Bearer right' },
  });
  await source.ack(await source.receive({ ...limitsOf, bytesMax: 10 }, receiving));
  t.is((await fits).status, 204, 'who hung up has given its room back');
  await source.close();
});

test('a receiver with many small messages tells further senders to come again', async (t) => {
  const source = await receiver(t, {
    webhook: 'unauthenticated',
    limits: { messagesMax: 1 },
  });
  const first = fetch(`${source.url}/webhook`, { method: 'POST', body: '1' });
  const batch = await source.receive(limitsOf, receiving);
  const second = await fetch(`${source.url}/webhook`, {
    method: 'POST',
    body: '2',
    signal: AbortSignal.timeout(5_000),
  });
  t.is(second.status, 503);
  t.truthy(second.headers.get('retry-after'));
  await source.ack(batch);
  t.is((await first).status, 204);
  await source.close();
});

test('a sender that trickles its headers or its body in is cut off', async (t) => {
  const limits = { headersTimeoutMs: 200, requestTimeoutMs: 400, bodyBytesMax: 1_000, bytesMax: 1_000 };
  const source = await receiver(t, { webhook: 'unauthenticated', limits });
  const drip = Array.from({ length: 100 }, (_, n) => [`x-${n}: y\r\n`, 50]).flat();
  const body = Array.from({ length: 100 }, () => ['x', 50]).flat();
  const [headers, slowBody] = await Promise.all([
    byHand(source.url, ['POST /webhook HTTP/1.1\r\nhost: x\r\n', ...drip]),
    byHand(source.url, [headOf(1_000), ...body]),
  ]);
  t.is(headers.status, 408);
  t.is(slowBody.status, 408);
  t.true(headers.ms < 4_000 && slowBody.ms < 4_000, 'long before the sender was done');
  const after = fetch(`${source.url}/webhook`, { method: 'POST', body: 'x'.repeat(1_000) });
  await source.ack(await source.receive(limitsOf, receiving));
  t.is((await after).status, 204, 'and its room is free again');
  await source.close();
});

test('headers and bodies have a limit', async (t) => {
  const limits = { bodyBytesMax: 1_000 };
  const source = await receiver(t, { webhook: 'unauthenticated', limits });
  t.is((await byHand(source.url, [headOf(0, `x: ${'y'.repeat(40_000)}`)])).status, 431);
  const post = (body: RequestInit['body']) =>
    fetch(`${source.url}/webhook`, {
      method: 'POST',
      body,
      duplex: 'half',
      signal: AbortSignal.timeout(5_000),
    } as RequestInit).then(
      ({ status }) => status,
      (error: Error) => (error.name === 'TimeoutError' ? 'no answer' : 'cut'),
    );
  t.is(await post('x'.repeat(1_001)), 413);
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(Buffer.alloc(500)) });
  t.true([413, 'cut'].includes(await post(endless)), 'a body that does not say how long it is');
  await source.close();
});

test('a compressed body is the message that it holds, and no larger than any other', async (t) => {
  const source = await receiver(t, {
    webhook: { token: 'right' },
    limits: { bodyBytesMax: 100_000, bytesMax: 100_000 },
  });
  const post = (body: Buffer, coding: string, token = 'right') =>
    fetch(`${source.url}/webhook`, {
      method: 'POST',
      body: new Uint8Array(body),
      headers: { authorization: `Bearer ${token}`, 'content-encoding': coding },
      signal: AbortSignal.timeout(5_000),
    });
  const text = JSON.stringify({ a: 'ä'.repeat(10_000) });
  for (const [coding, body] of [
    ['gzip', gzipSync(text)],
    ['X-Gzip', gzipSync(text)],
    ['identity', Buffer.from(text)],
  ] as const) {
    const answer = post(body, coding);
    const batch = await source.receive(limitsOf, receiving);
    t.is(batch[0]?.message.body.toString(), text, coding);
    await source.ack(batch);
    t.is((await answer).status, 204, coding);
  }
  t.is((await post(gzipSync(Buffer.alloc(100_001)), 'gzip')).status, 413);
  t.is((await post(gzipSync(Buffer.alloc(5_000_000)), 'gzip')).status, 413);
  t.is((await post(gzipSync(text).subarray(0, 20), 'gzip')).status, 400);
  t.is((await post(Buffer.from(text), 'gzip')).status, 400);
  const other = await post(brotliCompressSync(text), 'br');
  t.is(other.status, 415);
  t.is(other.headers.get('accept-encoding'), 'gzip, identity');
  t.regex(await other.text(), /Content-Encoding/);
  t.is((await post(brotliCompressSync(text), 'br', 'wrong')).status, 401, 'who may not send learns nothing');
  t.is((await post(gzipSync(text), 'gzip, gzip')).status, 415);
});

test('room is kept for what a compressed body may hold', async (t) => {
  const limits = { bodyBytesMax: 1_000_000, bytesMax: 1_500_000 };
  const source = await receiver(t, { webhook: 'unauthenticated', limits });
  const slow = connect(Number(new URL(source.url).port), '127.0.0.1');
  slow.write(headOf(2_000, 'content-encoding: gzip'));
  await sleep(50);
  t.is((await byHand(source.url, [headOf(900_000)])).status, 503);
  const small = fetch(`${source.url}/webhook`, {
    method: 'POST',
    body: new Uint8Array(gzipSync('small')),
    headers: { 'content-encoding': 'gzip' },
  });
  await source.ack(await source.receive(limitsOf, receiving));
  t.is((await small).status, 204, 'a small one cannot hold much');
  slow.destroy();
});

test('a door that was not opened is not there', async (t) => {
  const onlyPush = await receiver(t, { push: 'unauthenticated' });
  t.is((await fetch(`${onlyPush.url}/webhook`, { method: 'POST', body: '1' })).status, 404);
  await onlyPush.close();
  const onlyWebhook = await receiver(t, { webhook: 'unauthenticated' });
  t.is((await fetch(`${onlyWebhook.url}/push`, { method: 'POST', body: '1' })).status, 404);
  const error = await t.throwsAsync(
    createHttpSource({ host: '127.0.0.1', port: Number(new URL(onlyWebhook.url).port), webhook: 'unauthenticated' }),
    { instanceOf: ConfigError },
  );
  t.regex(error?.message ?? '', /EADDRINUSE.*HTTP_PORT/);
  await onlyWebhook.close();
});

test('closing answers every sender, and a half-sent request does not hold it up', async (t) => {
  const source = await receiver(t, {
    webhook: 'unauthenticated',
    limits: { closeMsMax: 100 },
  });
  const post = () => fetch(`${source.url}/webhook`, { method: 'POST', body: '1' }).then(({ status }) => status);
  const inHand = post();
  await source.receive(limitsOf, receiving);
  const waiting = post();
  const half = byHand(source.url, [headOf(100), 'x']);
  const health = async () => (await (await fetch(`${source.url}/health`)).json()) as { waiting: number };
  while ((await health()).waiting < 2) await sleep(20);
  await sleep(100);
  await source.close();
  t.deepEqual(await Promise.all([inHand, waiting]), [503, 503], 'never committed, never acknowledged');
  t.true((await half).ms < 4_000, 'it was cut, and did not end by itself');
});

const byHandPush = async (url: string): Promise<number> =>
  (await byHand(url, [headOf(900_000, 'authorization: Bearer x').replace('/webhook', '/push')])).status;

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
  const source = await receiver(t, { push });
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
      signal: AbortSignal.timeout(5_000),
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
    const status = await post(bearer).then(
      (response) => response.status,
      () => 'let in',
    );
    t.is(status, 401, title);
  }
  const good = post(token(claims));
  const batch = await source.receive(limitsOf, receiving);
  t.like(batch[0], { deliveryId: '1', message: { attributes: { a: 'b' } } });
  t.is(batch[0]?.message.body.toString(), 'hello');
  await source.ack(batch);
  t.is((await good).status, 204);
  t.is(await byHandPush(source.url), 401, 'told before the body is read');
  await source.close();
  keys.close();
  keys.closeAllConnections();

  const unsure = await receiver(t, { push });
  const unknown = await fetch(`${unsure.url}/push`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await token(claims)}` },
    body: '{}',
  });
  t.is(unknown.status, 503, 'without the keys nobody can tell: come again');
  await unsure.close();
});

test('who may send over HTTP must be said, and said whole', (t) => {
  const admits = (environment: Record<string, string>) => admitsOf({ config: loadConfig(environment) });
  const refused = (environment: Record<string, string>, message: RegExp) => {
    const error = t.throws(() => admits(environment), { instanceOf: ConfigError });
    t.regex(error?.message ?? '', message);
  };
  refused({}, /HTTP_TOKEN.*PUSH_AUDIENCE.*HTTP_UNAUTHENTICATED=true/);
  refused({ PUSH_AUDIENCE: 'a' }, /PUSH_EMAIL is not set/);
  refused({ PUSH_EMAIL: 'a@b', HTTP_TOKEN: 'x' }, /PUSH_AUDIENCE is not set/);
  refused({ PUSH_EMAIL: 'a@b', HTTP_UNAUTHENTICATED: 'true' }, /PUSH_AUDIENCE is not set/);
  refused({ PUSH_EMAIL: 'a@b', PUSH_AUDIENCE: 'a', PUSH_KEYS_URL: 'http://keys.example/' }, /expected an https/);
  t.deepEqual(admits({ HTTP_TOKEN: 'x' }), { webhook: { token: 'x' } });
  t.deepEqual(
    admits({ PUSH_EMAIL: 'a@b', PUSH_AUDIENCE: 'a', PUSH_KEYS_URL: 'http://127.0.0.1:1/', PUSH_ISSUER: 'i' }),
    {
      push: { email: 'a@b', audience: 'a', jwksUrl: 'http://127.0.0.1:1/', issuer: 'i' },
    },
  );
  t.deepEqual(admits({ HTTP_UNAUTHENTICATED: 'true' }), { webhook: 'unauthenticated', push: 'unauthenticated' });
  t.deepEqual(admits({ HTTP_UNAUTHENTICATED: 'true', HTTP_TOKEN: 'x' }), {
    webhook: { token: 'x' },
    push: 'unauthenticated',
  });
});
