import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import type { FileRow } from '../../projections/rows.ts';
import { loadConfig } from '../../src/config/config.ts';
import { openWorkspace } from '../../src/data-folder/workspace.ts';
import { takeIn } from '../../src/intake/intake.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { randomOf, seedOf } from '../support/seed.ts';
import { installedTest } from '../support/servers.ts';
import { connected } from './minio-bucket.ts';
import { contents, listed, type Service } from './support.ts';

const rounds = Number(process.env['ROUNDS'] ?? 3);
const steps = 40;

type Random = () => number;

/** A service of its own to which messages are told late, twice and out of order, each while the bucket goes on changing. */
const lateListener = async (random: Random, bucketName: string, { bucket }: Service) => {
  const folder = await freshFolder();
  const workspace = await openWorkspace(loadConfig({ DATA_DIR: folder }), 'test');
  const { log, projector } = workspace;
  const waiting: string[] = [];
  return {
    hear: (bodies: readonly string[]): void => {
      for (const body of bodies) waiting.push(...(random() < 0.2 ? [body, body] : [body]));
    },
    /** Takes in about this share of what waits. */
    tell: async (share: number): Promise<void> => {
      const told: string[] = [];
      for (let at = waiting.length - 1; at >= 0; at--) if (random() < share) told.push(...waiting.splice(at, 1));
      if (random() < 0.5) told.reverse();
      const deliveries = told.map((body, at) => ({
        deliveryId: String(at),
        message: { body: Buffer.from(body), attributes: {} },
      }));
      const permissions = { files: projector.database, acl: false };
      await takeIn(deliveries, { log, sourceName: 'late', bucketName, bucket, permissions });
      await projector.catchUp();
    },
    files: async () => {
      const rows = await projector.database.all<FileRow>('SELECT * FROM file ORDER BY path');
      return Object.fromEntries(rows.map(({ path, size, etag }) => [path, { size, etag }]));
    },
    close: async (): Promise<void> => {
      await workspace.close();
      await removeFolder(folder);
    },
  };
};

installedTest(
  'minio',
  'messages about versions that come late, while more happens, end as the bucket does',
  async (t) => {
    t.timeout(180_000);
    const seed = seedOf(t);
    const random = randomOf(seed);
    const { client, service, recorded, Bucket, put, remove, versioning } = await connected(t);
    const below = (count: number): number => Math.floor(random() * count);

    const anyVersion = async (key: string): Promise<string | undefined> => {
      const found = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix: key }));
      const all = [...(found.Versions ?? []), ...(found.DeleteMarkers ?? [])];
      return all[below(all.length)]?.VersionId;
    };
    /** Does something to a key, and says what. */
    const change = async (key: string): Promise<string> => {
      const what = random();
      if (what < 0.12) {
        const status = random() < 0.5 ? 'Enabled' : 'Suspended';
        await versioning(status);
        return `versioning ${status}`;
      }
      if (what < 0.5) return `put ${key} ${(await put(key, 'x'.repeat(1 + below(50)))).VersionId}`;
      const version = what < 0.68 ? undefined : await anyVersion(key);
      if (what >= 0.68 && version === undefined) return 'nothing';
      return `delete ${key} ${version} ${(await remove(key, version)).VersionId}`;
    };

    for (let round = 0; round < rounds; round++) {
      const late = await lateListener(random, Bucket, service);
      const keys = [`${round}-a`, `${round}-b`] as const;
      const story: string[] = [];
      let heard = recorded.length;
      for (let step = 0; step < steps; step++) {
        story.push(await change(keys[below(2) as 0 | 1]));
        const about = `SEED=${seed}, round ${round}: ${story.join(', ')}`;
        t.deepEqual(contents(await service.files()), await listed(service.bucket), about);
        late.hear(recorded.slice(heard));
        heard = recorded.length;
        await late.tell(0.3);
      }
      await late.tell(1);
      const all = Object.entries(await listed(service.bucket));
      const expected = Object.fromEntries(all.filter(([key]) => keys.some((one) => one === key)));
      t.deepEqual(await late.files(), expected, `told late, SEED=${seed}, round ${round}: ${story.join(', ')}`);
      await late.close();
    }
  },
);
