import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { createBucket } from '../../src/bucket/s3.ts';
import { ConfigError, RetryableError, SupersededError } from '../../src/errors.ts';
import { serverTest } from '../support/servers.ts';
import { freshBucket, keysOf, pagesOf } from './support.ts';

/** Keys that XML, URLs, HTTP headers or shells would bend. MinIO is told fewer: it keeps objects as files. */
const keys = [
  'plain',
  'a b',
  'a+b',
  'a%2Bb',
  'a%b',
  'ä/ö',
  'a\u0308',
  'emoji 😀',
  `quotes "'\``,
  '<&>;',
  '#?=&',
  'folder/',
  'folder/inner',
  'tab\tnewline\nend',
  'Case',
  'case',
  'back\\slash',
  `long/${'x'.repeat(200)}`,
];
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
const fit = (server: string): string[] =>
  keys.filter((key) => server !== 'minio' || !/[\\\n\t]/.test(key)).sort(byBytes);

for (const server of ['fauxqs', 'minio', 'localstack'] as const) {
  serverTest(server, `${server}: every key survives writing, listing, asking and reading`, async (t, access) => {
    const { bucket, writer } = await freshBucket(t, access);
    const all = fit(server);
    for (const key of all) await writer.put(key, Buffer.from(`of ${key}`), { metadata: { mode: '33184' } });
    const pages = await pagesOf(bucket.list());
    const objects = pages.flatMap((page) => page.objects);
    t.deepEqual(objects.map(({ key }) => key).sort(byBytes), all);
    t.true(pages.at(-1)?.last);
    t.regex(pages[0]?.observedAt ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    for (const object of objects) {
      t.is(object.etag, createHash('md5').update(`of ${object.key}`).digest('hex'));
      const facts = await bucket.head(object.key);
      const permissions = object.key.endsWith('/') ? undefined : '0640';
      t.deepEqual([facts?.size, facts?.etag, facts?.permissions], [object.size, object.etag, permissions]);
      const { body } = await bucket.get(object.key, { ifMatch: object.etag });
      t.is(await text(body), `of ${object.key}`);
    }
  });

  serverTest(server, `${server}: a listing has all pages, a prefix and a start`, async (t, access) => {
    const { bucket, writer } = await freshBucket(t, access);
    const names = Array.from(
      { length: 1_203 },
      (_, at) => `${at < 1_100 ? 'in' : 'out'}/${String(at).padStart(5, '0')}`,
    );
    for (let at = 0; at < names.length; at += 50)
      await Promise.all(names.slice(at, at + 50).map((name) => writer.put(name, Buffer.from('x'))));
    const pages = await pagesOf(bucket.list());
    t.deepEqual(
      pages.map(({ last }) => last),
      [false, true],
    );
    t.deepEqual(
      pages.flatMap(({ objects }) => objects.map(({ key }) => key)),
      names,
    );
    t.is((await keysOf(bucket.list({ prefix: 'out/' }))).length, 103);
    t.deepEqual(await keysOf(bucket.list({ startAfter: 'out/01200' })), ['out/01201', 'out/01202']);
    t.deepEqual(await keysOf(bucket.list({ prefix: 'none/' })), []);
  });

  serverTest(
    server,
    `${server}: what changed or is gone is superseded, what never was is unknown`,
    async (t, access) => {
      const { bucket, writer } = await freshBucket(t, access);
      await writer.put('a', Buffer.from('one'));
      const etag = (await bucket.head('a'))?.etag as string;
      await writer.put('a', Readable.from([Buffer.from('three')]), { length: 5 });
      await t.throwsAsync(bucket.get('a', { ifMatch: etag }), { instanceOf: SupersededError, message: /has changed/ });
      t.is(await text((await bucket.get('a')).body), 'three');
      t.true(await writer.copy('a', 'b'));
      t.false(await writer.copy('missing', 'c'));
      await writer.delete('a');
      await writer.delete('a');
      await t.throwsAsync(bucket.get('a', { ifMatch: etag }), { instanceOf: SupersededError });
      t.is(await bucket.head('a'), undefined);
      t.is(await text((await bucket.get('b')).body), 'three');
    },
  );

  serverTest(server, `${server}: a bucket that is not there is said with its name`, async (t, access) => {
    const { options, bucket } = await freshBucket(t, access);
    await bucket.check();
    const missing = createBucket({ ...options, bucket: 'no-such-bucket' });
    await t.throwsAsync(missing.check(), { instanceOf: ConfigError, message: /"no-such-bucket".*CUSTOMER_S3_BUCKET/ });
    await t.throwsAsync(keysOf(missing.list()), { instanceOf: ConfigError });
    missing.close();
  });
}

serverTest('fauxqs', 'bodies that nobody reads give their connections back', async (t, access) => {
  const { bucket, writer } = await freshBucket(t, access);
  await writer.put('large', Buffer.alloc(2 * 1_048_576));
  // More than there are connections: a single one that stayed open for each would leave the last waiting.
  for (let at = 0; at < 300; at++) (await bucket.get('large')).body.destroy();
  t.pass();
});

test('an endpoint that cannot be reached is said with its setting', async (t) => {
  const bucket = createBucket({
    endpoint: 'http://127.0.0.1:1',
    region: 'us-east-1',
    accessKey: 'a',
    secretKey: 'very-secret',
    bucket: 'customer',
    attemptsMax: 1,
  });
  const error = await t.throwsAsync(bucket.check(), { instanceOf: RetryableError, message: /CUSTOMER_S3_ENDPOINT/ });
  t.notRegex(error?.message ?? '', /very-secret/);
  bucket.close();
});
