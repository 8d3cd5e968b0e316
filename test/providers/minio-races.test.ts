import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { runCycle } from '../../src/cycle/cycle.ts';
import { gateLimits } from '../../src/plan/gate.ts';
import { freshFolder } from '../support/folder.ts';
import { installedTest } from '../support/servers.ts';
import { startDisk } from './disk.ts';
import { connected } from './minio-bucket.ts';
import { contents, listed } from './support.ts';

const keys = 30;
const minuteMs = 60_000;

installedTest('minio', 'keys that several write and delete at one moment end as the bucket does', async (t) => {
  t.timeout(180_000);
  const { client, service, Bucket, after } = await connected(t);
  const disk = await startDisk(t, service);
  const put = (Key: string, Body: string) => client.send(new PutObjectCommand({ Bucket, Key, Body }));
  const remove = (Key: string) => client.send(new DeleteObjectCommand({ Bucket, Key }));
  for (let number = 0; number < keys; number++) {
    const written = `written ${number}`;
    const sizes = [1, 20_000, 3, 40_000, 5, 6];
    await after(Promise.all(sizes.map((size) => put(written, 'x'.repeat(size)))), sizes.length);
    const both = `written and deleted ${number}`;
    await after(put(both, 'first'));
    // Of a delete that finds nothing MinIO says so, and nothing else.
    const turns = [1, 2, 3].flatMap((turn) => [remove(both), put(both, `again ${turn}`)]);
    await after(Promise.all(turns), turns.length);
  }
  const expected = await listed(service.bucket);
  const told = contents(await service.files());
  t.deepEqual(
    Object.keys(expected).filter((path) => !(path in told)),
    [],
    'nothing that stands was taken for deleted',
  );
  // What order alone did not tell comes with the tries of later cycles.
  const dataFolder = await freshFolder();
  for (let minute = 0; minute <= 40; minute += 5)
    await runCycle({
      workspace: service.workspace,
      dataFolder,
      fileManager: disk.fileManager,
      bucket: service.bucket,
      gate: gateLimits,
      concurrency: 4,
      reportEndpoints: [],
      cyclesKept: 10,
      now: () => Date.now() + minute * minuteMs,
    });
  t.deepEqual(contents(await service.files()), expected);
  await disk.same();
});
