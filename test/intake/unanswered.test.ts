import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { createBucket, createBucketWriter } from '../../src/bucket/s3.ts';
import { rememberListing } from '../../src/cycle/memory.ts';
import { ConfigError } from '../../src/errors.ts';
import { type IntakeOptions, takeIn } from '../../src/intake/intake.ts';
import { openLog, type WritableLog } from '../../src/log/log.ts';
import { openProjector, type Projector } from '../../src/projector/projector.ts';
import type { Delivery } from '../../src/sources/source.ts';
import { startFauxqsServer } from '../support/fauxqs.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const bucketName = 'documents';

/** A real bucket behind a door that keeps some requests to itself, and a log. */
const started = async (
  t: ExecutionContext,
  keep: (method: string, path: string, response: ServerResponse) => boolean,
) => {
  const s3 = await startFauxqsServer();
  const { region, accessKey, secretKey } = s3;
  const asked: string[] = [];
  const door = createServer(async ({ method = '', url = '' }, response) => {
    asked.push(`${method} ${url}`);
    if (keep(method, url, response)) return;
    const answer = await fetch(new URL(url, s3.url), { method });
    const { 'content-encoding': _, ...headers } = Object.fromEntries(answer.headers);
    response.writeHead(answer.status, headers).end(Buffer.from(await answer.arrayBuffer()));
  }).listen(0, '127.0.0.1');
  await once(door, 'listening');
  const endpoint = `http://127.0.0.1:${(door.address() as AddressInfo).port}`;
  const writer = createBucketWriter({ endpoint: s3.url, region, accessKey, secretKey, bucket: bucketName });
  await writer.create();
  const bucket = createBucket({ endpoint, region, accessKey, secretKey, bucket: bucketName });
  const folder = await freshFolder();
  const logPath = join(folder, 'events.db');
  const log = await openLog(logPath);
  const projector = await openProjector({ path: join(folder, 'projections.db'), logPath, logId: log.logId });
  t.teardown(async () => {
    for (const part of [writer, bucket]) part.close();
    door.close();
    await projector.close();
    await log.close();
    await removeFolder(folder);
    await s3.stop();
  });
  const options: IntakeOptions = { log, sourceName: 'test', bucketName, bucket, views: projector.database };
  return { writer, bucket, log, projector, options, asked };
};

const message = (deliveryId: string, body: object): Delivery => ({
  deliveryId,
  message: { body: Buffer.from(JSON.stringify(body)), attributes: {} },
});
const create = (id: string): Delivery =>
  message(id, { id, type: 'create', time: '2026-01-01T00:00:00Z', path: id, size: 1 });
/** The delete of one version: what is left of the key, only the bucket can tell. */
const unclear = (...keys: readonly string[]): Delivery =>
  message(keys.join(), {
    Records: keys.map((key) => ({
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      eventTime: '2026-03-14T09:26:53.589Z',
      eventName: 'ObjectRemoved:Delete',
      s3: { bucket: { name: bucketName }, object: { key, versionId: 'v1', sequencer: '01' } },
    })),
  });

const idsOf = (deliveries: readonly Delivery[]): readonly string[] =>
  deliveries.map(({ deliveryId }) => deliveryId).sort();

test('while the bucket cannot be asked, messages that need it wait, and the rest of their batch does not', async (t) => {
  const { log, options, asked } = await started(t, (method, _, response) => {
    if (method === 'HEAD') response.writeHead(503).end();
    return method === 'HEAD';
  });
  const [first, second] = [create('a'), create('b')];
  const questions = Array.from({ length: 200 }, (_, n) => unclear(`k${n}`, `l${n}`));
  const batch = [first, ...questions, second];
  const intake = await takeIn(batch, options);
  t.like(intake, { messages: 202, appended: 2, ignored: 0, quarantined: 0, refused: [] });
  t.deepEqual(idsOf(intake.waiting), idsOf(questions));
  t.regex(intake.waitingFor ?? '', /ask about/);
  t.is(await log.last(), 2);
  t.true(new Set(asked).size <= 32, `${new Set(asked).size} of 400 keys were asked about in vain`);
});

test('objects that the bucket fails to tell about wait alone, however many of a batch lie together', async (t) => {
  const { options } = await started(t, (method, path, response) => {
    const fails = method === 'HEAD' && path.includes('/bad');
    if (fails) response.writeHead(500).end();
    return fails;
  });
  const bad = Array.from({ length: 40 }, (_, n) => unclear(`bad${n}`));
  const good = Array.from({ length: 20 }, (_, n) => unclear(`good${n}`));
  const { waiting, ...intake } = await takeIn([...bad, ...good], options);
  t.like(intake, { messages: 60, appended: 20, quarantined: 0 });
  t.deepEqual(idsOf(waiting), idsOf(bad));
});

test('what leads to where a rename begins waits with it while the bucket fails to tell where that one leads', async (t) => {
  const fails = ['/c'];
  const { writer, projector, options } = await started(t, (method, path, response) => {
    const failing = method === 'HEAD' && path.endsWith(fails[0] ?? '?');
    if (failing) response.writeHead(500).end();
    return failing;
  });
  await writer.put('c', Buffer.from('what nobody told of'));
  const rename = (version: number, path: string, to: string): Delivery =>
    message(to, { id: `to ${to}`, type: 'rename', time: '2026-01-01T00:00:00Z', version, path, to });
  await takeIn([create('b')], options);
  await projector.catchUp();
  const batch = [rename(1, 'never-seen', 'a'), rename(2, 'a', 'b'), rename(3, 'b', 'c'), rename(4, 'elsewhere', 'd')];
  const { waiting } = await takeIn(batch, options);
  t.deepEqual(idsOf(waiting), ['a', 'b', 'c']);
  fails.splice(0);
  await takeIn(waiting, options);
  await projector.catchUp();
  t.deepEqual(await projector.database.all('SELECT path, size FROM file'), [{ path: 'c', size: 19 }]);
});

test('an object that may not be read is a matter of its own message alone', async (t) => {
  const { writer, log, options } = await started(t, (method, path, response) => {
    const denied = method === 'HEAD' && path.endsWith('/secret');
    if (denied) response.writeHead(403).end();
    return denied;
  });
  await writer.put('open', Buffer.from('1'));
  const batch = [create('a'), unclear('open', 'secret'), create('b')];
  t.like(await takeIn(batch, options), { messages: 3, appended: 3, ignored: 0, quarantined: 1, waiting: [] });
  t.like(await log.database.get('SELECT reason FROM quarantine'), {
    reason: 'ask about "secret": access denied: check what the access key may read; then retry',
  });
});

test('a rename from where the log knows nothing waits for the bucket, and for permission to ask about its end', async (t) => {
  let answers = 503;
  const { writer, log, options } = await started(t, (method, _, response) => {
    const isKept = method === 'HEAD' && answers !== 200;
    if (isKept) response.writeHead(answers).end();
    return isKept;
  });
  await writer.put('to', Buffer.from('1'));
  const rename = message('r', { id: 'r', type: 'rename', time: '2026-01-01T00:00:00Z', path: 'never-seen', to: 'to' });
  t.like(await takeIn([create('a'), rename], options), { messages: 2, appended: 1, waiting: [rename] });
  answers = 403;
  t.like(await takeIn([rename], options), { appended: 0, ignored: 0, quarantined: 1, waiting: [] });
  answers = 200;
  t.like(await takeIn([rename], { ...options, retried: true }), { appended: 2, quarantined: 0, waiting: [] });
  t.like(await log.read(3, 3, 1), [{ type: 'create', path: 'to', size: 1, source: 'native+head' }]);
});

const renameOf = (path: string, to: string): Delivery =>
  message(`${path} to ${to}`, { id: `${path} to ${to}`, type: 'rename', time: new Date().toISOString(), path, to });

/** Records files as a listing finds them that ends at this moment. */
const knownAs = async (log: WritableLog, projector: Projector, bucket: Bucket, paths: readonly string[]) => {
  const time = new Date(Date.now() - 10_000).toISOString();
  for (const path of paths) {
    const { size = 0, etag = '' } = (await bucket.head(path)) ?? {};
    await log.append([{ id: `known ${path}`, type: 'create', time, path, size, etag, source: 'scan' }]);
  }
  await rememberListing(log.database, { from: time, to: new Date().toISOString() });
  await projector.catchUp();
};

const pathsOf = async (projector: Projector): Promise<readonly unknown[]> => {
  await projector.catchUp();
  return (await projector.database.all<{ path: string }>('SELECT path FROM file ORDER BY path')).map(
    ({ path }) => path,
  );
};

/** The bucket in whose listings of a prefix each object stands for very many. */
const crowded = (bucket: Bucket, prefixes: readonly string[], times: number): Bucket => ({
  ...bucket,
  list: async function* (options) {
    const isCrowded = prefixes.includes(options?.prefix ?? '');
    for await (const page of bucket.list(options))
      yield isCrowded ? { ...page, objects: page.objects.flatMap((object) => Array(times).fill(object)) } : page;
  },
});

test('a folder that holds more than is asked about keeps what was moved there', async (t) => {
  const { writer, bucket, log, projector, options } = await started(t, () => false);
  for (const path of ['d/x', 'e/x']) await writer.put(path, Buffer.from('1'));
  await knownAs(log, projector, bucket, ['d/x']);
  const intake = await takeIn([renameOf('d/', 'e/')], { ...options, bucket: crowded(bucket, ['e/'], 10_001) });
  t.like(intake, { appended: 1, unsettled: 1 });
  t.deepEqual(await pathsOf(projector), ['e/x']);
});

test('what is asked about folders is bounded for a batch', async (t) => {
  const { writer, bucket, log, projector, options } = await started(t, () => false);
  for (const path of ['d/x', 'e/x', 'f/x', 'g/x']) await writer.put(path, Buffer.from('1'));
  await knownAs(log, projector, bucket, ['d/x', 'f/x']);
  for (const path of ['d/x', 'f/x']) await writer.delete(path);
  const batch = [renameOf('d/', 'e/'), renameOf('f/', 'g/')];
  t.like(await takeIn(batch, { ...options, bucket: crowded(bucket, ['e/', 'g/'], 6_000) }), { unsettled: 1 });
  t.deepEqual(await pathsOf(projector), ['e/x', 'g/x']);
});

test('an object that may not be read is not taken for gone where a file was renamed to', async (t) => {
  const { writer, bucket, log, projector, options } = await started(t, (method, path, response) => {
    const denied = method === 'HEAD' && path.endsWith('/b');
    if (denied) response.writeHead(403).end();
    return denied;
  });
  for (const path of ['a', 'b']) await writer.put(path, Buffer.from('1'));
  await knownAs(log, projector, bucket, ['a']);
  t.like(await takeIn([renameOf('a', 'b')], options), { appended: 2, quarantined: 0, unsettled: 1 });
  t.deepEqual(await pathsOf(projector), ['a', 'b']);
});

test('of an object that may not be read, in a folder that came from where the log knows nothing, its listing is recorded', async (t) => {
  const { writer, log, projector, options } = await started(t, (method, _, response) => {
    if (method === 'HEAD') response.writeHead(403).end();
    return method === 'HEAD';
  });
  await writer.put('to/secret', Buffer.from('secret'));
  t.like(await takeIn([renameOf('never-seen/', 'to/')], options), { appended: 2, quarantined: 0, unsettled: 0 });
  t.deepEqual(await pathsOf(projector), ['to/secret']);
  t.like(await log.read(2, 2, 1), [{ type: 'create', size: 6, source: 'native+head' }]);
});

test('while the bucket does not list, moves of folders wait, and only one of them asks', async (t) => {
  const { log, options, asked } = await started(t, (_, path, response) => {
    const isListing = path.includes('list-type');
    if (isListing) response.writeHead(503).end();
    return isListing;
  });
  const moves = ['a/', 'b/', 'c/'].map((folder) => renameOf(`never-seen/${folder}`, folder));
  t.like(await takeIn([create('x'), ...moves], options), { appended: 1, waiting: moves });
  t.is(await log.last(), 1);
  t.is(new Set(asked.map((request) => /prefix=[^&]*/.exec(request)?.[0])).size, 1);
});

test('credentials that are refused altogether put nothing into quarantine: a person is needed first', async (t) => {
  const { log, options } = await started(t, (_, __, response) => {
    response.writeHead(403).end();
    return true;
  });
  await t.throwsAsync(takeIn([create('a'), unclear('k')], options), { instanceOf: ConfigError });
  t.is(await log.last(), 0);
  t.like(await log.database.get('SELECT count(*) AS entries FROM quarantine'), { entries: 0 });
});
