import { createHash } from 'node:crypto';
import { createBucket, createBucketWriter } from '../../src/bucket/s3.ts';
import { type Verified, verify } from '../../src/verify/verify.ts';
import { startMinio } from '../support/minio.ts';
import { installedTest, uniqueName } from '../support/servers.ts';
import { createWorld } from '../support/world.ts';

installedTest('minio', 'equal files are equal where an etag looks like an MD5 and is none', async (t) => {
  t.timeout(60_000);
  const { url: endpoint, stop, ...keys } = await startMinio({ encrypts: true });
  const access = { endpoint, ...keys, bucket: uniqueName('bucket') };
  const bucket = createBucket(access);
  const writer = createBucketWriter(access);
  const world = await createWorld();
  const compared = async (): Promise<Verified[]> => {
    const { database } = world.workspace().projector;
    const found: Verified[] = [];
    for await (const one of verify({ bucket, database, fileManager: world.client })) found.push(one);
    return found;
  };
  try {
    await writer.create();
    await writer.put('a', Buffer.from('first'));
    const etag = (await bucket.head('a'))?.etag ?? '';
    t.regex(etag, /^[0-9a-f]{32}$/);
    t.not(etag, createHash('md5').update('first').digest('hex'));
    await world.append({ type: 'create', path: 'a', size: 5, etag });
    await world.cycle({ bucket });
    t.like((await compared())[0], { path: 'a', sign: '=', projection: '=', detail: '' });
    await writer.put('a', Buffer.from('other'));
    t.like((await compared())[0], { sign: '*', projection: '*' });
    t.regex((await compared())[0]?.detail ?? '', /^the bytes differ/);
  } finally {
    bucket.close();
    writer.close();
    await world.close();
    await stop();
  }
});
