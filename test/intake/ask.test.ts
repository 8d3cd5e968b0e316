import { createHash } from 'node:crypto';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createBucket, createBucketWriter } from '../../src/bucket/s3.ts';
import { takeIn } from '../../src/intake/intake.ts';
import { openLog } from '../../src/log/log.ts';
import { startFauxqsServer } from '../support/fauxqs.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { uniqueName } from '../support/servers.ts';

/** A bucket, a log, and messages about the one taken into the other; with or without the bucket to ask. */
const started = async (t: ExecutionContext) => {
  const s3 = await startFauxqsServer();
  const { url: endpoint, region, accessKey, secretKey } = s3;
  const options = { endpoint, region, accessKey, secretKey, bucket: uniqueName('bucket') };
  const writer = createBucketWriter(options);
  const bucket = createBucket(options);
  await writer.create();
  const folder = await freshFolder();
  const log = await openLog(join(folder, 'events.db'));
  t.teardown(async () => {
    writer.close();
    bucket.close();
    await log.close();
    await removeFolder(folder);
    await s3.stop();
  });
  let number = 0;
  const take = async (body: unknown, attributes: Record<string, string> = {}, asking = true) => {
    number += 1;
    const from = (await log.last()) + 1;
    const text = body === undefined ? '' : JSON.stringify(body);
    const counts = await takeIn([{ deliveryId: String(number), message: { body: Buffer.from(text), attributes } }], {
      log,
      sourceName: 'test',
      bucketName: options.bucket,
      ...(asking && { bucket }),
    });
    return { ...counts, events: await log.read(from, Number.MAX_SAFE_INTEGER, 10) };
  };
  const record = (eventSource: string, eventName: string, object: Record<string, unknown>) => ({
    Records: [
      {
        eventVersion: '2.2',
        eventSource,
        eventName,
        eventTime: `2026-03-14T09:26:${String(10 + number)}.000Z`,
        responseElements: { 'x-amz-request-id': `request-${number}` },
        s3: { bucket: { name: options.bucket }, object },
      },
    ],
  });
  const gcs = (eventType: string, objectId: string, more: Record<string, string> = {}) => ({
    eventType,
    objectId,
    bucketId: options.bucket,
    payloadFormat: 'NONE',
    objectGeneration: '1773480413589057',
    eventTime: '2026-03-14T09:26:53Z',
    ...more,
  });
  return { writer, take, record, gcs };
};

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

test('Ceph announces an upload before there is an object: that is no event, and no poison', async (t) => {
  const { writer, take, record } = await started(t);
  const begun = record('ceph:s3', 'ObjectCreated:Post', { key: 'a', size: 0, eTag: '' });
  t.like(await take(begun), { appended: 0, ignored: 1, quarantined: 0 });
  await writer.put('a', Buffer.from('content'));
  const again = await take(begun);
  t.like(again, { appended: 1, ignored: 0 });
  t.like(again.events[0], { type: 'create', path: 'a', size: 7, etag: md5('content'), source: 'ceph+head' });
});

test('what stands behind a deleted version is what is recorded, with the order of the message', async (t) => {
  const { writer, take, record } = await started(t);
  const deleted = (versionId: string, sequencer: string) =>
    record('aws:s3', 'ObjectRemoved:Delete', { key: 'a', versionId, sequencer });
  await writer.put('a', Buffer.from('still here'), { metadata: { mode: '33152' } });
  const first = deleted('v1', '01');
  const kept = await take(first);
  t.like(kept.events[0], {
    type: 'create',
    size: 10,
    etag: md5('still here'),
    permissions: '0600',
    version: 's3:00011',
  });
  await writer.delete('a');
  t.like((await take(deleted('v2', '02'))).events[0], { type: 'delete', path: 'a', version: 's3:00012' });
  t.like(
    await take(first),
    { duplicates: 1, appended: 0, quarantined: 0 },
    'answered otherwise, and still a duplicate',
  );
});

test("a folder marker that the bucket is asked about says nothing of the folder's permissions", async (t) => {
  const { writer, take, record } = await started(t);
  await writer.put('d/', Buffer.alloc(0), { metadata: { mode: String(0o040700) } });
  const deleted = record('aws:s3', 'ObjectRemoved:Delete', { key: 'd/', versionId: 'v1', sequencer: '01' });
  const [event] = (await take(deleted)).events;
  t.like(event, { type: 'create', path: 'd/', size: 0, permissions: undefined });
});

test('without a bucket to ask, what cannot be decided waits, and what can is taken at its word', async (t) => {
  const { take, record, gcs } = await started(t);
  const undecided = record('aws:s3', 'ObjectRemoved:Delete', { key: 'a', versionId: 'v1', sequencer: '01' });
  t.like(await take(undecided, {}, false), { appended: 0, quarantined: 1 });
  t.like(await take(record('aws:s3', 'ObjectAcl:Put', { key: 'a' }), {}, false), { appended: 0, quarantined: 1 });
  for (const name of ['ObjectRemoved:DeleteMarkerCreated', 'LifecycleExpiration:DeleteMarkerCreated']) {
    const hidden = await take(record('aws:s3', name, { key: 'a', versionId: 'v2', sequencer: '02' }), {}, false);
    t.like(hidden.events[0], { type: 'delete', path: 'a', version: 's3:00012', source: 's3' }, name);
  }
  const ambiguous = record('minio:s3', 's3:ObjectRemoved:DeleteMarkerCreated', {
    key: 'a',
    versionId: 'v',
    sequencer: '3',
  });
  t.like(
    await take(ambiguous, {}, false),
    { appended: 0, quarantined: 1 },
    'MinIO names the removal of a marker so too',
  );
  t.like((await take(undefined, gcs('OBJECT_DELETE', 'a'), false)).events[0], { type: 'delete', source: 'gcs' });
  t.like((await take(undefined, gcs('OBJECT_FINALIZE', 'b'), false)).events[0], { type: 'create', source: 'gcs' });
  t.like(await take(undefined, gcs('OBJECT_METADATA_UPDATE', 'b'), false), { appended: 0, ignored: 1 });
});

test('what the bucket adds belongs to the announced object, or is left out', async (t) => {
  const { writer, take, record, gcs } = await started(t);
  await writer.put('a', Buffer.from('newer content'), { metadata: { mode: '33261' } });
  const announced = await take(
    record('storj:s3', 'ObjectCreated:Put', { key: 'a', size: 3, versionId: 'v', sequencer: '1' }),
  );
  t.is(announced.events[0]?.etag, undefined, 'another size is another object');
  t.is(announced.events[0]?.permissions, undefined);
  const same = await take(
    record('storj:s3', 'ObjectCreated:Put', { key: 'a', size: 13, versionId: 'w', sequencer: '2' }),
  );
  t.like(same.events[0], { size: 13, etag: md5('newer content'), permissions: '0755' });
  t.like((await take(undefined, gcs('OBJECT_METADATA_UPDATE', 'a'))).events[0], {
    type: 'change_permission',
    permissions: '0755',
  });
  t.like(await take(undefined, gcs('OBJECT_METADATA_UPDATE', 'gone')), { appended: 0, ignored: 1 });
});

test('each change of metadata counts, also where the notifications carry no payload to tell them apart', async (t) => {
  const { writer, take, gcs } = await started(t);
  const changed = (second: number) => gcs('OBJECT_METADATA_UPDATE', 'a', { eventTime: `2026-03-14T09:26:${second}Z` });
  await writer.put('a', Buffer.from('x'), { metadata: { mode: '33188' } });
  t.like((await take(undefined, changed(53))).events[0], { type: 'change_permission', permissions: '0644' });
  await writer.put('a', Buffer.from('x'), { metadata: { mode: '33152' } });
  t.like((await take(undefined, changed(54))).events[0], { type: 'change_permission', permissions: '0600' });
  t.like(await take(undefined, changed(54)), { appended: 0, duplicates: 1 }, 'and a redelivery does not');
});
