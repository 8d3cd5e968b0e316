import type { IncomingMessage } from 'node:http';
import test from 'ava';
import { ConfigError, FatalError, RetryableError } from '../../src/errors.ts';
import { bucketAt, keysOf, pagesOf } from './support.ts';

const date = 'Mon, 02 Jan 2026 03:04:05 GMT';
const tokenOf = (request: IncomingMessage): string | null =>
  new URL(request.url ?? '', 'http://x').searchParams.get('continuation-token');

const page = (keys: readonly string[], next?: string): string =>
  `<?xml version="1.0"?><ListBucketResult><Name>customer</Name><EncodingType>url</EncodingType>${
    next === undefined ? '<IsTruncated>false</IsTruncated>' : `<IsTruncated>true</IsTruncated>${next}`
  }${keys
    .map(
      (key) =>
        `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag><LastModified>2026-01-02T03:04:05Z</LastModified></Contents>`,
    )
    .join('')}</ListBucketResult>`;
const token = (text: string): string => `<NextContinuationToken>${text}</NextContinuationToken>`;
const headers = { date, 'content-type': 'application/xml' };

test("a listing goes on by its tokens, and says when it was observed by the server's clock", async (t) => {
  const bucket = await bucketAt(t, (request, response) => {
    const at = tokenOf(request);
    response.writeHead(200, headers).end(at === null ? page(['a', 'b'], token('t/1+')) : page([at]));
  });
  const pages = await pagesOf(bucket.list());
  t.deepEqual(
    pages.map(({ objects, last }) => [objects.map(({ key }) => key), last]),
    [
      [['a', 'b'], false],
      [['t/1 '], true], // the stub sends the token back as a key, in which a + stands for a space
    ],
  );
  t.is(pages[0]?.observedAt, '2026-01-02T03:04:05Z');
});

for (const [title, second, type] of [
  ['fails', { status: 500, body: '<Error><Code>InternalError</Code></Error>' }, RetryableError],
  ['is cut off', { status: 200, body: page(['c']).slice(0, 200) }, RetryableError],
  ['is a web page', { status: 200, body: '<html><body>hello</body></html>' }, RetryableError],
  ['is empty', { status: 200, body: '' }, RetryableError],
  ['goes on without saying where', { status: 200, body: page(['c'], '<x/>') }, RetryableError],
  ['points to itself', { status: 200, body: page(['c'], token('t')) }, RetryableError],
  ['holds a key that is not encoded', { status: 200, body: page(['%zz']) }, FatalError],
  ['is denied', { status: 403, body: '<Error><Code>AccessDenied</Code></Error>' }, ConfigError],
] as const) {
  test(`a listing whose second page ${title} never looks complete`, async (t) => {
    const bucket = await bucketAt(t, (request, response) => {
      if (tokenOf(request) === null) response.writeHead(200, headers).end(page(['a'], token('t')));
      else response.writeHead(second.status, headers).end(second.body);
    });
    const last: boolean[] = [];
    await t.throwsAsync(
      async () => {
        for await (const one of bucket.list()) last.push(one.last);
      },
      { instanceOf: type },
    );
    t.deepEqual(last, [false]);
  });
}

test('a connection cut in the middle of a page is no end', async (t) => {
  const bucket = await bucketAt(t, (_, response) => {
    response.writeHead(200, { ...headers, 'content-length': '100000' });
    response.write(page(['a']), () => response.destroy());
  });
  await t.throwsAsync(keysOf(bucket.list()), { instanceOf: RetryableError });
});

test('an endpoint without a clock is refused: nobody could order its listing', async (t) => {
  const bucket = await bucketAt(t, (_, response) => {
    response.sendDate = false;
    response.writeHead(200, { 'content-type': 'application/xml' }).end(page(['a']));
  });
  await t.throwsAsync(keysOf(bucket.list()), { instanceOf: FatalError, message: /Date header/ });
});

test('a request that fails for a moment is repeated, a bounded number of times', async (t) => {
  let requests = 0;
  const failing = (until: number) =>
    bucketAt(
      t,
      (_, response) => {
        requests += 1;
        if (requests < until) response.writeHead(503, headers).end('<Error><Code>SlowDown</Code></Error>');
        else response.writeHead(200, headers).end(page(['a']));
      },
      { attemptsMax: 3 },
    );
  t.deepEqual(await keysOf((await failing(3)).list()), ['a']);
  requests = 0;
  await t.throwsAsync(keysOf((await failing(1_000)).list()), { instanceOf: RetryableError, message: /SlowDown/ });
  t.is(requests, 3);
});
