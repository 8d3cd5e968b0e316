import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import test from 'ava';
import { crc64nvme } from '../../src/bucket/crc.ts';
import { RetryableError, SupersededError } from '../../src/errors.ts';
import { bucketAt, type Handler } from './support.ts';

const mebibyte = 1_048_576;
const content = Buffer.alloc(4 * mebibyte, 'the bytes of one object ');
const etag = createHash('md5').update(content).digest('hex');
const date = 'Mon, 02 Jan 2026 03:04:05 GMT';

const headersOf = (length: number, more: Record<string, string> = {}): Record<string, string> => ({
  'content-length': String(length),
  etag: `"${etag}"`,
  date,
  'last-modified': date,
  ...more,
});

const startOf = (range: string | undefined): number => Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);

/** Answers a GET, with 206 where a range was asked for, and ends the connection after `bytes` of it. */
const send = (
  response: ServerResponse,
  from: number,
  bytes = content.length,
  more: Record<string, string> = {},
): void => {
  const rest = content.subarray(from);
  const range = from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {};
  response.writeHead(from > 0 ? 206 : 200, headersOf(rest.length, { ...range, ...more }));
  if (bytes >= rest.length) response.end(rest);
  else response.write(rest.subarray(0, bytes), () => response.destroy());
};

const precondition = (response: ServerResponse): void => {
  response.writeHead(412, { date, 'content-type': 'application/xml' });
  response.end('<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>');
};

test('a download that breaks goes on where it was, under the same etag, and the reader does not notice', async (t) => {
  const asked: unknown[] = [];
  const bucket = await bucketAt(t, (request, response) => {
    const { range } = request.headers;
    asked.push([range, request.headers['if-match']]);
    send(response, startOf(range), asked.length < 3 ? mebibyte + 7 : content.length);
  });
  const { body, verification } = await bucket.get('a');
  t.true(content.equals(await buffer(body)));
  t.is(verification, 'md5');
  t.is(asked.length, 3);
  t.deepEqual(asked[0], [undefined, undefined]);
  for (const [range, ifMatch] of asked.slice(1) as [string, string][]) {
    t.true(startOf(range) > 0);
    t.is(ifMatch, `"${etag}"`);
  }
});

test('an object that changes during the download is superseded, and never mixed', async (t) => {
  const bucket = await bucketAt(t, (request, response) => {
    if (request.headers.range === undefined) send(response, 0, mebibyte);
    else precondition(response);
  });
  await t.throwsAsync(buffer((await bucket.get('a', { ifMatch: etag })).body), { instanceOf: SupersededError });
});

for (const [title, answer] of [
  ['from the start', (response: ServerResponse) => send(response, 0)],
  ['from elsewhere', (response: ServerResponse) => send(response, 1)],
] as const) {
  test(`a bucket that answers a range ${title} is not believed`, async (t) => {
    const bucket = await bucketAt(t, (request, response) => {
      if (request.headers.range === undefined) send(response, 0, mebibyte);
      else answer(response);
    });
    await t.throwsAsync(buffer((await bucket.get('a')).body), {
      instanceOf: RetryableError,
      message: /does not continue where it was asked/,
    });
  });
}

test('a download that breaks again and again without progress ends', async (t) => {
  let requests = 0;
  const bucket = await bucketAt(t, (request, response) => {
    requests += 1;
    send(response, startOf(request.headers.range), 10);
  });
  await t.throwsAsync(buffer((await bucket.get('a')).body), { instanceOf: RetryableError, message: /download broke/ });
  t.is(requests, 4);
});

test('a download that makes progress between breaks survives more of them', async (t) => {
  let requests = 0;
  const small = Math.ceil(content.length / 3.5);
  const bucket = await bucketAt(t, (request, response) => {
    requests += 1;
    const from = startOf(request.headers.range);
    send(response, from, requests % 3 === 0 ? small : 10);
  });
  t.true(content.equals(await buffer((await bucket.get('a')).body)));
  t.true(requests > 4);
});

const changed = Buffer.from(content);
changed[123_456] = 0;
const answering =
  (bytes: Buffer, more: Record<string, string>): Handler =>
  (_, response) => {
    response.writeHead(200, headersOf(bytes.length, more));
    response.end(bytes);
  };

test('bytes that differ from the MD5 in the etag are an error, and not the end of the content', async (t) => {
  const bucket = await bucketAt(t, answering(changed, {}));
  await t.throwsAsync(buffer((await bucket.get('a')).body), { instanceOf: RetryableError, message: /the md5/ });
});

test('bytes that differ from the stated checksum are an error, and the checksum was asked for', async (t) => {
  const crc = crc64nvme();
  crc.update(content);
  const more = { etag: '"0-2"', 'x-amz-checksum-crc64nvme': crc.digest(), 'x-amz-checksum-type': 'FULL_OBJECT' };
  let mode: unknown;
  const whole = await bucketAt(t, (request, response) => {
    mode = request.headers['x-amz-checksum-mode'];
    answering(content, more)(request, response);
  });
  const { body, verification } = await whole.get('a');
  t.true(content.equals(await buffer(body)));
  t.deepEqual([verification, mode], ['crc64nvme', 'ENABLED']);
  const broken = await bucketAt(t, answering(changed, more));
  await t.throwsAsync(buffer((await broken.get('a')).body), { instanceOf: RetryableError, message: /crc64nvme/ });
});

test('the last piece is only handed out once the checksum holds', async (t) => {
  const bucket = await bucketAt(t, (_, response) => {
    response.writeHead(200, headersOf(changed.length));
    response.write(changed.subarray(0, -1));
    setImmediate(() => response.end(changed.subarray(-1)));
  });
  let seen = 0;
  const { body } = await bucket.get('a');
  const failed = Promise.withResolvers<Error>();
  body.once('error', failed.resolve).on('data', (chunk: Buffer) => {
    seen += chunk.length;
  });
  t.regex((await failed.promise).message, /the md5/);
  t.true(seen < changed.length);
});

test('what cannot be verified beyond its length is told so, and an empty object is whole', async (t) => {
  const bucket = await bucketAt(t, answering(content, { etag: '"0-7"' }));
  const { body, verification } = await bucket.get('a');
  t.is(verification, 'unverified');
  t.is((await buffer(body)).length, content.length);
  const emptyMd5 = createHash('md5').digest('hex');
  const empty = await bucketAt(t, answering(Buffer.alloc(0), { etag: `"${emptyMd5}"` }));
  t.is((await buffer((await empty.get('a')).body)).length, 0);
  const wrong = await bucketAt(t, answering(Buffer.alloc(0), {}));
  await t.throwsAsync(buffer((await wrong.get('a')).body), { message: /the md5/ });
});

test.serial('a connection that falls silent counts as broken, and the download goes on', async (t) => {
  let requests = 0;
  const bucket = await bucketAt(
    t,
    (request, response) => {
      requests += 1;
      if (requests > 1) return send(response, startOf(request.headers.range));
      response.writeHead(200, headersOf(content.length));
      response.write(content.subarray(0, 100));
    },
    { silenceMsMax: 400 },
  );
  t.true(content.equals(await buffer((await bucket.get('a')).body)));
  t.is(requests, 2);
});

test('an abort ends a download at once', async (t) => {
  const bucket = await bucketAt(t, (_, response) => {
    response.writeHead(200, headersOf(content.length));
    response.write(content.subarray(0, 100));
  });
  const controller = new AbortController();
  const { body } = await bucket.get('a', { signal: controller.signal });
  body.once('data', () => controller.abort());
  await t.throwsAsync(buffer(body), { name: 'AbortError' });
});

test.serial('a reader that pauses for longer than a connection may be silent loses nothing', async (t) => {
  let requests = 0;
  const bucket = await bucketAt(
    t,
    (request, response) => {
      requests += 1;
      send(response, startOf(request.headers.range));
    },
    { silenceMsMax: 400 },
  );
  const { body } = await bucket.get('a');
  const pieces: Buffer[] = [];
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (pieces.length === 0) await new Promise((resolve) => setTimeout(resolve, 1_000));
    pieces.push(chunk);
  }
  t.true(content.equals(Buffer.concat(pieces)));
  t.is(requests, 1);
});

test.serial('an answer that does not start, or a small one that does not end, is given up', async (t) => {
  const silent = await bucketAt(t, () => undefined, { silenceMsMax: 100 });
  await t.throwsAsync(silent.get('a'), { instanceOf: RetryableError });
  await t.throwsAsync(silent.head('a'), { instanceOf: RetryableError });
  const stuck = await bucketAt(
    t,
    (_, response) => {
      response.writeHead(200, { date, 'content-type': 'application/xml' });
      response.write('<?xml version="1.0"?><ListBucketResult><Name>customer</Name>');
    },
    { silenceMsMax: 400 },
  );
  await t.throwsAsync(stuck.check(), {
    instanceOf: RetryableError,
    message: /did not finish its answer within 800 ms/,
  });
});
