import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { ExecutionContext } from 'ava';
import type { BucketEvent } from '../../events/event.ts';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { type Intake, takeIn } from '../../src/intake/intake.ts';
import { scanBucket } from '../../src/scan/scan.ts';
import { awsOptions } from '../providers/support.ts';
import { startMinio } from '../support/minio.ts';
import { installedTest } from '../support/servers.ts';
import { createWorld } from '../support/world.ts';

type Told = Pick<BucketEvent, 'type' | 'path'> & Partial<BucketEvent>;

/** A bucket of a real MinIO, whose producer tells of its changes by a clock that is ahead, and steps of the service. */
const started = async (t: ExecutionContext, aheadMs = 0) => {
  const world = await createWorld({ s3: await startMinio() });
  const client = new S3Client(awsOptions(world.s3));
  t.teardown(async () => {
    client.destroy();
    await world.close();
  });
  const { writer, bucket, access } = world;
  const Bucket = access.bucket;
  let number = 0;
  const events: object[] = [];
  /** Notes an event; it is delivered by `deliver`. */
  const tell = (told: Told): void => {
    number += 1;
    events.push({ id: `e${number}`, time: new Date(Date.now() + aheadMs).toISOString(), ...told });
  };
  const deliver = async (asking = true, bodies = events.splice(0)): Promise<Intake> => {
    const { log, projector } = world.workspace();
    const intake = await takeIn(
      bodies.map((body, at) => ({
        deliveryId: `d${at}`,
        message: { body: Buffer.from(JSON.stringify(body)), attributes: {} },
      })),
      { log, sourceName: 'test', views: projector.database, ...(asking && { bucket }) },
    );
    await projector.catchUp();
    return intake;
  };
  const put = (path: string, text: string): Promise<void> => writer.put(path, Buffer.from(text));
  const move = async (path: string, to: string): Promise<void> => {
    await writer.copy(path, to);
    await writer.delete(path);
  };
  const moved = async (path: string, to: string): Promise<void> => {
    await move(path, to);
    tell({ type: 'rename', path, to });
  };
  /** Uploads in two parts, the second one byte long. */
  const putInParts = async (Key: string): Promise<void> => {
    const target = { Bucket, Key };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
    const Parts = [];
    for (const [at, Body] of [Buffer.alloc(5 * 1_048_576, Key), Buffer.from('.')].entries()) {
      const { ETag } = await client.send(new UploadPartCommand({ ...target, UploadId, PartNumber: at + 1, Body }));
      Parts.push({ PartNumber: at + 1, ETag });
    }
    await client.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }));
    const { size, etag } = (await bucket.head(Key)) ?? {};
    tell({ type: 'create', path: Key, ...(size !== undefined && { size }), ...(etag !== undefined && { etag }) });
  };
  const scan = async (through: Bucket = bucket): Promise<void> => {
    await scanBucket({ workspace: world.workspace(), bucket: through, metadata: false });
    await world.workspace().projector.catchUp();
  };
  const cycle = async (): Promise<string> => (await world.cycle()).report.status;
  return { world, events, tell, deliver, put, move, moved, putInParts, scan, cycle };
};

/** The bucket as a listing in two pages sees it, between which something happens. */
const changingBetweenPages = (bucket: Bucket, change: () => Promise<void>): Bucket => ({
  ...bucket,
  list: async function* (options) {
    for await (const page of bucket.list(options))
      yield { ...page, objects: page.objects.filter(({ key }) => key < 'm'), last: false };
    await change();
    for await (const page of bucket.list(options))
      yield { ...page, objects: page.objects.filter(({ key }) => key >= 'm') };
  },
});

installedTest(
  'minio',
  'files that leave the rest of the first listing for what it has passed are not lost',
  async (t) => {
    const { world, put, moved, tell, move, deliver, scan, cycle } = await started(t);
    for (const path of ['b', 'z', 'f/x', 'z/y', 'z/z']) await put(path, `bytes of ${path}`);
    await scan(
      changingBetweenPages(world.bucket, async () => {
        await moved('z', 'a');
        await move('z/y', 'a-folder/y');
        await move('z/z', 'a-folder/z');
        tell({ type: 'move', path: 'z/', to: 'a-folder/' });
      }),
    );
    await deliver();
    t.is(await cycle(), 'done');
    t.deepEqual(await world.differences(), []);
  },
);

installedTest('minio', 'a rename from where the log knows nothing records what stands at its end, once', async (t) => {
  const { world, put, events, tell, deliver, cycle } = await started(t);
  await put('new', 'content');
  await put('folder/one', '1');
  tell({ type: 'rename', path: 'never-seen', to: 'new' });
  tell({ type: 'move', path: 'never-seen/', to: 'folder/' });
  tell({ type: 'rename', path: 'nowhere', to: 'gone-by-now' });
  const told = [...events];
  t.like(await deliver(), { messages: 3, appended: 5, ignored: 0, unsettled: 0 });
  await put('new', 'newer content, of which nobody has told yet');
  t.like(await deliver(true, told), { appended: 0, duplicates: 3 }, 'delivered again, it is not asked about');
  await put('new', 'content');
  t.is(await cycle(), 'done');
  t.deepEqual(await world.differences(), []);
  tell({ type: 'create', path: 'never-seen', size: 7, time: '2026-01-01T00:00:00Z' });
  await deliver();
  t.is(await cycle(), 'idle');
  t.deepEqual(await world.differences(), [], 'its create comes late, and finds its place before the rename');
});

installedTest(
  'minio',
  'a folder that comes to another one in the same batch leaves there what came before',
  async (t) => {
    const { world, put, move, tell, deliver, cycle } = await started(t);
    for (const path of ['to/before', 'to/file', 'from/later']) await put(path, path);
    tell({ type: 'create', path: 'from/later', size: 10 });
    tell({ type: 'move', path: 'never-seen/', to: 'to/' });
    tell({ type: 'move', path: 'never-seen', to: 'to/file' });
    await move('from/later', 'to/later');
    tell({ type: 'move', path: 'from/', to: 'to/' });
    await deliver();
    t.is(await cycle(), 'done');
    t.deepEqual(await world.differences(), []);
  },
);

installedTest('minio', 'without a bucket to ask, renames from where the log knows nothing are counted', async (t) => {
  const { tell, deliver } = await started(t);
  tell({ type: 'create', path: 'a' });
  tell({ type: 'rename', path: 'a', to: 'b' });
  tell({ type: 'rename', path: 'b', to: 'c' });
  tell({ type: 'rename', path: 'never-seen', to: 'd' });
  tell({ type: 'rename', path: 'told-later', to: 'e' });
  tell({ type: 'create', path: 'told-later', time: '2026-01-01T00:00:00Z' });
  t.like(await deliver(false), { appended: 6, unsettled: 1 });
});

installedTest(
  'minio',
  'an object of parts that is renamed before it is carried over has another etag then',
  async (t) => {
    t.timeout(60_000);
    const { world, putInParts, moved, move, tell, deliver, put, cycle } = await started(t);
    await putInParts('in/a');
    await moved('in/a', 'done/a');
    await putInParts('in/b');
    await put('in/c', 'c');
    tell({ type: 'create', path: 'in/c', size: 1 });
    for (const name of ['b', 'c']) await move(`in/${name}`, `archive/${name}`);
    tell({ type: 'move', path: 'in/', to: 'archive/' });
    await deliver();
    t.is(await cycle(), 'done');
    t.deepEqual(await world.differences(), []);
    await moved('done/a', 'done/again');
    t.like(await deliver(), { appended: 1 }, 'carried over, its bytes need not be read again');
    const { report } = await world.cycle();
    t.like(report, { status: 'done', operations: { rename: 1 } });
  },
);

installedTest('minio', 'a rotation that a listing has seen already is not carried out once more', async (t) => {
  t.timeout(60_000);
  const { world, put, moved, move, tell, deliver, scan, cycle } = await started(t, 5_000);
  await put('app.log', 'monday');
  await put('app.log.1', 'sunday');
  await put('now/x', 'monday');
  await scan();
  t.is(await cycle(), 'done');
  await moved('app.log.1', 'app.log.2');
  await moved('app.log', 'app.log.1');
  await put('app.log', 'tuesday');
  tell({ type: 'create', path: 'app.log', size: 7 });
  await move('now/x', 'then/x');
  tell({ type: 'move', path: 'now/', to: 'then/' });
  await put('now/x', 'tuesday');
  await put('now/y', 'tuesday');
  await scan();
  t.is(await cycle(), 'done');
  t.deepEqual(await world.differences(), []);
  await deliver();
  t.is(await cycle(), 'done');
  t.deepEqual(await world.differences(), []);
});

/** The bucket whose server answers listings so much later. */
const listedLater = (bucket: Bucket, laterMs: number): Bucket => ({
  ...bucket,
  list: async function* (options) {
    for await (const page of bucket.list(options))
      yield { ...page, observedAt: new Date(Date.parse(page.observedAt) + laterMs).toISOString() };
  },
});

installedTest('minio', 'a rename that a listing has seen is asked about, also after further listings', async (t) => {
  const { world, put, moved, tell, deliver, scan, cycle } = await started(t, 5_000);
  await put('a', 'monday');
  await scan();
  await moved('a', 'b');
  await put('a', 'tuesday');
  tell({ type: 'create', path: 'a', size: 7 });
  await scan();
  for (const hours of [1, 2]) await scan(listedLater(world.bucket, hours * 3_600_000));
  await deliver();
  t.is(await cycle(), 'done');
  t.deepEqual(await world.differences(), []);
});

installedTest(
  'minio',
  'a rename that a listing has seen is asked about, also once permissions changed since',
  async (t) => {
    const { world, events, put, moved, move, tell, deliver, scan, cycle } = await started(t, 5_000);
    await put('a', 'monday');
    await put('d/x', 'monday');
    await scan();
    await moved('a', 'b');
    await move('d/x', 'e/x');
    tell({ type: 'move', path: 'd/', to: 'e/' });
    for (const path of ['a', 'd/x']) {
      await put(path, 'tuesday');
      tell({ type: 'create', path, size: 7 });
    }
    await scan();
    const late = events.splice(0);
    for (const path of ['a', 'd/x']) tell({ type: 'change_permission', path, permissions: '0600' });
    await deliver();
    await deliver(true, late);
    t.is(await cycle(), 'done');
    t.deepEqual(await world.differences(), []);
  },
);

installedTest('minio', 'files that change places soon after a listing keep what events say of them', async (t) => {
  t.timeout(60_000);
  const { world, put, moved, move, tell, deliver, scan, cycle } = await started(t);
  for (const path of ['a', 'b', 'd/x', 'd/y']) await put(path, `bytes of ${path}`);
  await scan();
  tell({ type: 'change_permission', path: 'a', permissions: '0600' });
  await moved('a', 'aside');
  await moved('b', 'a');
  await moved('aside', 'b');
  await moved('d/x', 'd/aside');
  await moved('d/y', 'd/x');
  for (const name of ['x', 'aside']) await move(`d/${name}`, `e/${name}`);
  tell({ type: 'move', path: 'd/', to: 'e/' });
  await moved('e/aside', 'e/y');
  await deliver();
  t.is(await cycle(), 'done');
  t.deepEqual(await world.differences(), []);
  const rows = await world.workspace().projector.database.all('SELECT path, permissions FROM file ORDER BY path');
  t.deepEqual(rows, [
    { path: 'a', permissions: null },
    { path: 'b', permissions: '0600' },
    { path: 'e/x', permissions: null },
    { path: 'e/y', permissions: null },
  ]);
});
