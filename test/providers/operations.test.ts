import { CopyObjectCommand, DeleteObjectCommand, PutObjectTaggingCommand } from '@aws-sdk/client-s3';
import { installedTest } from '../support/servers.ts';
import { startDisk } from './disk.ts';
import { connected } from './minio-bucket.ts';

installedTest('minio', 'a copy and a delete become a rename, a move, or neither where nobody can tell', async (t) => {
  const { client, service, Bucket, after, put, remove } = await connected(t);
  const disk = await startDisk(t, service);
  const copy = (from: string, to: string) =>
    after(client.send(new CopyObjectCommand({ Bucket, Key: to, CopySource: `${Bucket}/${from}` })));
  for (const key of ['a', 'b', 'folder/c', 'copied']) await put(key, `content of ${key}`);
  for (const key of ['twin-1', 'twin-2']) await put(key, 'the same content');
  await put('empty', '');
  t.is((await disk.cycle()).length, 7);

  await copy('a', 'a-2');
  await remove('a');
  t.deepEqual(await disk.cycle(), [['rename', 'a', 'a-2']], 'one went, one came: nothing is uploaded');

  await remove('b');
  await put('elsewhere/b', 'content of b');
  t.deepEqual(await disk.cycle(), [['move', 'b', 'elsewhere/b']], 'in this order too, and without a copy');

  await copy('copied', 'copied-2');
  t.deepEqual(await disk.cycle(), [['save', 'copied-2']], 'a copy alone is a new file');

  await copy('empty', 'empty-2');
  await remove('empty');
  t.deepEqual(
    await disk.cycle(),
    [
      ['save', 'empty-2'],
      ['delete', 'empty'],
    ],
    'empty files are all alike',
  );

  await copy('twin-1', 'twin-3');
  await remove('twin-1');
  await remove('twin-2');
  t.deepEqual(
    await disk.cycle(),
    [
      ['save', 'twin-3'],
      ['delete', 'twin-1'],
      ['delete', 'twin-2'],
    ],
    'two went that it could have been',
  );

  await copy('folder/c', 'folder/d');
  t.deepEqual(await disk.cycle(), [['save', 'folder/d']]);
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'folder/c' }));
  await after(Promise.resolve());
  t.deepEqual(
    await disk.cycle(),
    [['delete', 'folder/c']],
    'a cycle is the window: what was saved in one is not undone',
  );
  await disk.same();
});

installedTest('minio', 'metadata alone never leads to an upload', async (t) => {
  const { client, service, Bucket, after, put } = await connected(t);
  const disk = await startDisk(t, service);
  await put('a', 'one', { mode: '33188' });
  t.deepEqual(await disk.cycle(), [['save', 'a']]);
  const Tagging = { TagSet: [{ Key: 'a', Value: 'b' }] };
  await after(client.send(new PutObjectTaggingCommand({ Bucket, Key: 'a', Tagging })));
  t.deepEqual(await disk.cycle(), [], 'tags');
  const onto = { Bucket, Key: 'a', CopySource: `${Bucket}/a`, MetadataDirective: 'REPLACE' } as const;
  await after(client.send(new CopyObjectCommand({ ...onto, Metadata: { mode: '33188', colour: 'green' } })));
  t.deepEqual(await disk.cycle(), [], 'other metadata, and the same content written again');
  await after(client.send(new CopyObjectCommand({ ...onto, Metadata: { mode: '33152' } })));
  t.deepEqual(await disk.cycle(), [['update_permissions', 'a']], 'a mode');
  await disk.same();
});
