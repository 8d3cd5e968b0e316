import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { FatalError, RetryableError, SupersededError } from '../../src/errors.ts';
import { type ClientOptions, createFileManagerClient, type FileManagerClient } from '../../src/file-manager/client.ts';
import { FailedAnswerError, LieError, RefusedError, StopError } from '../../src/file-manager/client-errors.ts';
import { retryAfterMs } from '../../src/retry-after.ts';
import { contentOf, newKey, save } from './support.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A client of a server that behaves as badly as `handler` says. */
const against = async (
  t: ExecutionContext,
  handler: Handler,
  limits: Partial<ClientOptions> = {},
): Promise<FileManagerClient> => {
  const server = createServer((request, response) => {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    handler(request, response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return createFileManagerClient({ baseUrl: `http://127.0.0.1:${port}`, ...limits });
};

/** Answers once the request has been read. */
const answering =
  (status: number, body: unknown, headers: Record<string, string> = {}): Handler =>
  (request, response) => {
    request.resume().on('end', () => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  };

const md5OfHi = '49f68a5c8493ec2c0bf489821c21fc3b';
const truth = { ok: true, path: 'a', size: 2, md5: md5OfHi };

test('an answer that says what was asked for is accepted', async (t) => {
  await t.notThrowsAsync(save(await against(t, answering(200, truth)), 'a', 'hi'));
});

for (const [name, value] of [
  ['path', 'b'],
  ['size', 3],
  ['md5', md5OfHi.replace('4', '5')],
] as const) {
  test(`a 200 that lies about the ${name} is an error`, async (t) => {
    const client = await against(t, answering(200, { ...truth, [name]: value }));
    await t.throwsAsync(save(client, 'a', 'hi'), { instanceOf: LieError, message: /answered with a lie/ });
  });
}

for (const [title, status, body, type] of [
  ['a web page', 200, '<html>hello</html>', 'text/html'],
  ['something else than an object', 200, '[]', 'application/json'],
  ['no confirmation', 200, '{}', 'application/json'],
  ['a 404 without a problem', 404, 'nope', 'text/html'],
] as const) {
  test(`${title} in place of an answer asks whether FILE_MANAGER_API_URL is a file manager`, async (t) => {
    const client = await against(t, answering(status, body, { 'content-type': type }));
    const error = await t.throwsAsync(client.delete('a', newKey()), { instanceOf: StopError });
    t.is(error?.reason, 'not-a-file-manager');
    t.regex(error?.message ?? '', /is FILE_MANAGER_API_URL a file manager\?/);
  });
}

for (const status of [408, 425, 429, 500, 502, 503, 507]) {
  test(`a ${status} can be repeated, after what Retry-After asks for`, async (t) => {
    const client = await against(t, answering(status, 'x', { 'retry-after': '7' }));
    const error = await t.throwsAsync(client.delete('a', newKey()), { instanceOf: RetryableError });
    t.is(error?.retryAfterMs, 7_000);
  });
}

test('an answer of a gateway, or of one that is busy, does not say that the request is over; its own failure does', async (t) => {
  for (const [status, over] of [
    [429, false],
    [500, true],
    [502, false],
    [503, false],
    [504, false],
    [507, true],
  ] as const) {
    const error = await t.throwsAsync((await against(t, answering(status, 'x'))).delete('a', newKey()));
    t.is(error instanceof FailedAnswerError, over, `${status}`);
  }
});

test('a 409 is final, with the title and detail of its problem and no control characters', async (t) => {
  const client = await against(t, answering(409, { title: 'Taken', detail: 'by\r\n"level":60 a folder' }));
  const error = await t.throwsAsync(client.delete('a', newKey()), { instanceOf: RefusedError });
  t.is(error?.status, 409);
  t.regex(error?.message ?? '', /409: Taken: by {2}"level":60 a folder$/);
});

for (const status of [401, 403]) {
  test(`a ${status} stops the cycle and names FILE_MANAGER_TOKEN`, async (t) => {
    const error = await t.throwsAsync((await against(t, answering(status, ''))).delete('a', newKey()), {
      instanceOf: StopError,
    });
    t.deepEqual([error?.stop, error?.reason], [true, 'unauthorized']);
    t.regex(error?.message ?? '', /FILE_MANAGER_TOKEN/);
  });
}

test('a redirect is refused: nothing is sent to the other address', async (t) => {
  let requests = 0;
  const client = await against(t, (request, response) => {
    requests += 1;
    answering(307, '', { location: '/elsewhere' })(request, response);
  });
  const error = await t.throwsAsync(save(client, 'a', 'hi'), { instanceOf: StopError });
  t.deepEqual([error?.reason, requests], ['redirect', 1]);
});

test('a connection cut in the middle of the upload or of the answer can be repeated, and is not repeated here', async (t) => {
  let requests = 0;
  const cutUpload = await against(t, (request) => {
    requests += 1;
    request.once('data', () => request.socket.destroy());
  });
  const body = Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(65_536)));
  await t.throwsAsync(cutUpload.saveToDisk('a', { body, length: 6_553_600 }, newKey()), { instanceOf: RetryableError });
  t.is(requests, 1);
  t.true(body.destroyed);
  const cutAnswer = await against(t, (request, response) => {
    request.resume();
    response.writeHead(200, { 'content-length': '100' }).write('{"ok":');
    setTimeout(() => response.destroy(), 20);
  });
  await t.throwsAsync(cutAnswer.delete('a', newKey()), { instanceOf: RetryableError });
  await t.throwsAsync(cutAnswer.read('a').then(text), { instanceOf: RetryableError });
});

test('an answer that never comes, or never ends, is bounded in time', async (t) => {
  const silent = await against(t, (request) => void request.resume(), { responseTimeoutMs: 100 });
  await t.throwsAsync(silent.delete('a', newKey()), { instanceOf: RetryableError, message: /no answer within 100 ms/ });
  await t.throwsAsync(silent.describe(), { instanceOf: RetryableError, message: /within 100 ms/ });
  const stuck: Handler = (request, response) => void (request.resume(), response.writeHead(200).write('{'));
  const stopped = await against(t, stuck, { stallTimeoutMs: 100 });
  await t.throwsAsync(stopped.delete('a', newKey()), { instanceOf: RetryableError, message: /answer stopped/ });
  const total = await against(t, stuck, { totalTimeoutMs: 100 });
  await t.throwsAsync(total.delete('a', newKey()), {
    instanceOf: RetryableError,
    message: /not finished within 100 ms/,
  });
});

test('a reader may take its time between two pieces of an answer', async (t) => {
  const entries = Array.from({ length: 20_000 }, (_, n) => `{"path":"${String(n).padStart(100, '0')}","size":1}\n`);
  const listing = `${entries.join('')}{"end":true,"count":20000}\n`;
  const headers = { 'content-type': 'application/x-ndjson' };
  const client = await against(t, answering(200, listing, headers), { stallTimeoutMs: 2_000 });
  let seen = 0;
  for await (const _ of client.list()) {
    if (seen === 0) await new Promise((resolve) => setTimeout(resolve, 3_000));
    seen += 1;
  }
  t.is(seen, 20_000);
});

test('an upload may take longer than any other exchange, as long as it goes on', async (t) => {
  const client = await against(t, answering(200, { ok: true, path: 'a', size: 4 }), { totalTimeoutMs: 50 });
  const body = Readable.from(
    (async function* () {
      for (let piece = 0; piece < 4; piece += 1) {
        await pause(40);
        yield Buffer.from('x');
      }
    })(),
  );
  await t.notThrowsAsync(client.saveToDisk('a', { body, length: 4 }, newKey()));
});

test('an upload that the other side does not take is bounded in time', async (t) => {
  const client = await against(t, () => undefined, { stallTimeoutMs: 150 });
  const body = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(1_048_576);
    })(),
  );
  await t.throwsAsync(client.saveToDisk('a', { body, length: 2 ** 40 }, newKey()), {
    instanceOf: RetryableError,
    message: /upload stopped within 150 ms/,
  });
});

/** A client of a server that answers 507 to the first bytes of a connection, keeps it, and never reads on. */
const againstUnread = async (
  t: ExecutionContext,
): Promise<{ client: FileManagerClient; connections: readonly Socket[] }> => {
  const connections: Socket[] = [];
  const text = '{"title":"The disk is full"}';
  const server = createTcpServer((socket) => {
    connections.push(socket.on('error', () => undefined));
    socket.once('data', () => {
      socket.pause();
      socket.write(`HTTP/1.1 507 Full\r\ncontent-type: application/problem+json\r\ncontent-length: 28\r\n\r\n${text}`);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => {
    for (const socket of connections) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    client: createFileManagerClient({ baseUrl: `http://127.0.0.1:${port}`, responseTimeoutMs: 2_000 }),
    connections,
  };
};

for (const [title, pieces] of [
  ['before a body has left', 400],
  ['to a body that the buffers of the system have taken whole', 2],
] as const) {
  test(`an answer ${title} ends the upload, and no other request waits behind it`, async (t) => {
    const { client, connections } = await againstUnread(t);
    for (let at = 1; at <= 3; at++) {
      const body = Readable.from(Array.from({ length: pieces }, () => Buffer.alloc(65_536)));
      const error = await t.throwsAsync(client.saveToDisk('a', { body, length: pieces * 65_536 }, newKey()));
      t.regex(error?.message ?? '', /answered 507: The disk is full/, `save ${at}`);
      t.true(body.destroyed);
      t.is(connections.length, at);
    }
  });
}

test('an endless answer is bounded in bytes', async (t) => {
  const endless: (status: number) => Handler = (status) => (request, response) => {
    request.resume();
    response.writeHead(status);
    Readable.from(
      (function* () {
        for (;;) yield 'x'.repeat(10_000);
      })(),
    ).pipe(response);
  };
  const limits = { answerBytesMax: 100_000 };
  await t.throwsAsync((await against(t, endless(200), limits)).delete('a', newKey()), {
    message: /more than 100000 bytes/,
  });
  await t.throwsAsync((await against(t, endless(503), limits)).delete('a', newKey()), {
    instanceOf: RetryableError,
    message: /503/,
  });
});

test('what is wrong with the source is told as it is', async (t) => {
  const client = await against(t, answering(200, truth));
  const body = Readable.from(
    (async function* () {
      yield Buffer.from('h');
      throw new SupersededError('a newer version exists');
    })(),
  );
  await t.throwsAsync(client.saveToDisk('a', { body, length: 2 }, newKey()), { instanceOf: SupersededError });
});

test('an abort ends a call at once with its reason', async (t) => {
  const client = await against(t, (request) => void request.resume());
  const controller = new AbortController();
  const call = client.saveToDisk('a', contentOf('hi'), { ...newKey(), signal: controller.signal });
  setTimeout(() => controller.abort(new FatalError('stopped by a person')), 30);
  await t.throwsAsync(call, { message: 'stopped by a person' });
});

for (const [title, lines, expected] of [
  ['without its last line', ['{"path":"a","size":1}'], { name: 'RetryableError', message: /broke off/ }],
  ['cut within a line', ['{"path":"a","size":1}', '{"pa'], { name: 'RetryableError', message: /broke off within/ }],
  ['with a wrong count', ['{"end":true,"count":2}'], { name: 'FatalError', message: /counted/ }],
  ['out of order', ['{"path":"b","size":1}', '{"path":"a","size":1}'], { name: 'FatalError', message: /order/ }],
  ['with an endless line', ['x'.repeat(100_000)], { name: 'FatalError', message: /line/ }],
] as const) {
  test(`a listing ${title} is not taken for a whole one`, async (t) => {
    const text = lines.map((line) => (/^\{"pa$|^x/.test(line) ? line : `${line}\n`)).join('');
    const client = await against(t, answering(200, text, { 'content-type': 'application/x-ndjson' }));
    await t.throwsAsync(async () => {
      for await (const entry of client.list()) t.truthy(entry);
    }, expected);
  });
}

test('Retry-After is read in both forms, capped, and ignored when it is neither', (t) => {
  const now = Date.parse('2026-01-02T03:04:05Z');
  t.is(retryAfterMs('3', now, 60_000), 3_000);
  t.is(retryAfterMs('Fri, 02 Jan 2026 03:04:15 GMT', now, 60_000), 10_000);
  t.is(retryAfterMs('Fri, 02 Jan 2026 03:00:00 GMT', now, 60_000), 0);
  t.is(retryAfterMs('999999999999', now, 60_000), 60_000);
  for (const text of [null, '', '-1', '1.5', 'soon', '2026-01-02']) t.is(retryAfterMs(text, now, 60_000), undefined);
});
