import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { seedOf } from '../support/seed.ts';
import { installedTest } from '../support/servers.ts';
import { connected } from './minio-bucket.ts';
import { contents, listed, tableOf } from './support.ts';

installedTest('minio', 'what happens in a MinIO bucket stands in the file table, as its webhook told', async (t) => {
  const { client, service, Bucket, after, put, remove } = await connected(t);
  await put('plan.md', 'one');
  await put('plan.md', 'another one');
  await put('empty', '');
  await put('my folder/a+b %2B ü 📷.txt', 'x');
  await put('folder/', '');
  await put('script.sh', '#!', { mode: '33261' });
  await after(client.send(new CopyObjectCommand({ Bucket, Key: 'copy.md', CopySource: `${Bucket}/plan.md` })));
  const target = { Bucket, Key: 'parts' };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
  const Parts = [];
  for (const [at, Body] of [Buffer.alloc(5 * 1_048_576, 'a'), Buffer.from('end')].entries()) {
    const { ETag } = await client.send(new UploadPartCommand({ ...target, UploadId, PartNumber: at + 1, Body }));
    Parts.push({ PartNumber: at + 1, ETag });
  }
  await after(client.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } })));
  const all = await service.files();
  t.is(Object.keys(all).length, 7);
  t.deepEqual(contents(all), await listed(service.bucket));
  t.is(all['script.sh']?.permissions, '0755');

  const before = service.consumed();
  const Tagging = { TagSet: [{ Key: 'a', Value: 'b' }] };
  await after(client.send(new PutObjectTaggingCommand({ Bucket, Key: 'plan.md', Tagging })));
  await remove('nothing-there');
  t.is(service.consumed().appended, before.appended, 'tags and deletes of nothing are no events');
  t.is(service.consumed().ignored, before.ignored + 2);

  await remove('plan.md');
  await remove('folder/');
  await after(
    client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'empty' }, { Key: 'parts' }] } })),
    2,
  );
  const left = await service.files();
  t.deepEqual(Object.keys(left), ['copy.md', 'my folder/a+b %2B ü 📷.txt', 'script.sh']);
  t.deepEqual(contents(left), await listed(service.bucket));
  t.like(service.consumed(), { quarantined: 0, duplicates: 0 });
});

installedTest(
  'minio',
  'a mode that changes by a copy onto itself is a change of permissions, and no new content',
  async (t) => {
    const { client, service, Bucket, after, put } = await connected(t);
    await put('a', 'one', { mode: '33188' });
    const before = await service.files();
    t.is(before.a?.permissions, '0644');
    await after(
      client.send(
        new CopyObjectCommand({
          Bucket,
          Key: 'a',
          CopySource: `${Bucket}/a`,
          Metadata: { mode: '33152' },
          MetadataDirective: 'REPLACE',
        }),
      ),
    );
    t.deepEqual(await service.files(), { a: { ...before.a, permissions: '0600' } });
  },
);

installedTest('minio', 'the eight cases of a versioned bucket end as the bucket does', async (t) => {
  const { client, service, Bucket, after, put, remove, versioning } = await connected(t);
  const same = async (title: string, expected: string | undefined): Promise<void> => {
    const files = await service.files();
    t.deepEqual(contents(files), await listed(service.bucket), title);
    t.is(files.v?.size ?? undefined, expected?.length, title);
  };
  await versioning('Enabled');
  const one = await put('v', '1');
  const two = await put('v', '22');
  const three = await put('v', '333');
  await same('the newest version counts', '333');
  await remove('v', one.VersionId);
  await same('1. an old version deleted changes nothing', '333');
  const marker = await remove('v');
  t.true(marker.DeleteMarker);
  await same('2. a delete marker hides the file', undefined);
  await remove('v', two.VersionId);
  await same('3. an old version deleted behind a marker brings nothing back', undefined);
  await remove('v', marker.VersionId);
  await same('4. the marker deleted brings the newest version back', '333');
  const four = await put('v', '4444');
  await remove('v', four.VersionId);
  await same('5. the current version deleted uncovers the one before it', '333');
  await remove('v', three.VersionId);
  await same('6. the last version deleted leaves nothing', undefined);

  await put('v', '55555');
  await versioning('Suspended');
  await put('v', '666666');
  await same('suspended: a put replaces the null version', '666666');
  const nullMarker = await remove('v');
  await same('7. suspended: a delete puts a null marker in its place', undefined);
  await remove('v', nullMarker.VersionId ?? 'null');
  await same('8. the null marker deleted uncovers the version from before', '55555');
  await versioning('Enabled');
  await after(client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'v' }] } })));
  await same('many at once: a marker again', undefined);
  t.like(service.consumed(), { quarantined: 0, duplicates: 0 });
});

installedTest(
  'minio',
  'whatever happened to versions, in whatever order it is told, the bucket is what counts',
  async (t) => {
    const { service, recorded, Bucket, put, remove, versioning } = await connected(t);
    await versioning('Enabled');
    const hide = async (key: string) => (await remove(key)).VersionId;
    const one = await put('un-deleted', '1');
    await put('un-deleted', '22');
    await remove('un-deleted', await hide('un-deleted'));
    await remove('un-deleted', one.VersionId);
    await put('uncovered', '1');
    await remove('uncovered', (await put('uncovered', '22')).VersionId);
    await remove('gone', (await put('gone', '1')).VersionId);
    await put('hidden', '1');
    await hide('hidden');
    await put('back', '1');
    await hide('back');
    await put('back', '4444');
    await put('suspended', '1');
    await versioning('Suspended');
    await put('suspended', '55555');
    await hide('suspended');
    const expected = await listed(service.bucket);
    t.deepEqual(Object.keys(expected), ['back', 'un-deleted', 'uncovered']);
    t.deepEqual(contents(await service.files()), expected);

    const seed = seedOf(t);
    const orders = fc.sample(fc.shuffledSubarray([...recorded, ...recorded], { minLength: recorded.length }), {
      numRuns: 25,
      seed,
    });
    for (const order of orders) {
      const told = [...order, ...recorded.filter((body) => !order.includes(body))];
      t.deepEqual(await tableOf(told, service.bucket, Bucket), expected, `SEED=${seed}`);
    }
  },
);
