import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { FileRow } from '../../projections/rows.ts';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { type Consumed, consumeInto } from '../../src/commands/consuming.ts';
import { bucketOf, type Context } from '../../src/commands/context.ts';
import { loadConfig } from '../../src/config/config.ts';
import { type CycleResult, runCycle } from '../../src/cycle/cycle.ts';
import { openWorkspace, type Workspace } from '../../src/data-folder/workspace.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { takeIn } from '../../src/intake/intake.ts';
import { createLogger } from '../../src/logger.ts';
import { gateLimits } from '../../src/plan/gate.ts';
import type { Source } from '../../src/sources/source.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

export type Access = {
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
};

export const awsOptions = ({ url, accessKey, secretKey, region }: Access) => ({
  endpoint: url,
  region,
  forcePathStyle: true,
  credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
});

export type Service = {
  /** What became of the messages so far. */
  consumed(): Consumed;
  /** Resolves once this many messages were taken in; throws after a while. */
  messages(count: number): Promise<void>;
  /** `path`: its row without the columns that name offsets and times. */
  files(): Promise<Record<string, { size: number | null; etag: string | null; permissions: string | null }>>;
  readonly bucket: Bucket;
  readonly workspace: Workspace;
  /** One cycle towards a file manager. */
  cycle(fileManager: FileManager): Promise<CycleResult>;
  stop(): Promise<void>;
};

const waitMsMax = 60_000;

/** The subscriber as `s3-sync subscribe` runs it: source, intake, log, projections, with the bucket to ask. */
export const startService = async (
  t: ExecutionContext,
  source: Source,
  access: Access,
  bucketName: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Service> => {
  const folder = await freshFolder();
  const config = loadConfig({
    DATA_DIR: join(folder, 'data'),
    CUSTOMER_S3_ENDPOINT: access.url,
    CUSTOMER_S3_ACCESS_KEY: access.accessKey,
    CUSTOMER_S3_SECRET_KEY: access.secretKey,
    CUSTOMER_S3_BUCKET: bucketName,
    ...environment,
  });
  const workspace = await openWorkspace(config, 'test');
  const stopping = new AbortController();
  let consumed: Consumed = {
    messages: 0,
    appended: 0,
    duplicates: 0,
    ignored: 0,
    rejected: 0,
    quarantined: 0,
    refused: 0,
    waiting: 0,
  };
  const context: Context = {
    command: 'test',
    config,
    logger: createLogger('silent'),
    signal: stopping.signal,
    print: () => undefined,
    openWorkspace: async () => workspace,
  };
  const bucket = bucketOf(context);
  const running = consumeInto(context, workspace, source, {
    bucket,
    onProgress: (sum) => {
      consumed = sum;
    },
  });
  running.catch(() => undefined);
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    stopping.abort();
    await running.finally(async () => {
      bucket.close();
      await workspace.close();
      await removeFolder(folder);
    });
  };
  t.teardown(stop);
  return {
    consumed: () => consumed,
    messages: async (count) => {
      const end = Date.now() + waitMsMax;
      while (consumed.messages < count) {
        if (Date.now() > end)
          throw new Error(`${consumed.messages} of ${count} messages came: ${JSON.stringify(consumed)}`);
        await sleep(20);
      }
    },
    files: async () => {
      // Events are folded beside the intake, a moment after their messages were taken in.
      for (const last = await workspace.log.last(); workspace.projector.meta().checkpoint < last; ) await sleep(5);
      const rows = await workspace.projector.database.all<FileRow>('SELECT * FROM file ORDER BY path');
      return Object.fromEntries(rows.map(({ path, size, etag, permissions }) => [path, { size, etag, permissions }]));
    },
    bucket,
    workspace,
    cycle: (fileManager) =>
      runCycle({
        workspace,
        dataFolder: config.paths.data,
        fileManager,
        bucket,
        gate: gateLimits,
        concurrency: 4,
        reportEndpoints: [],
        cyclesKept: 10,
      }),
    stop,
  };
};

/** What the bucket itself lists, in the form of `files`, permissions left out. */
export const listed = async (bucket: Bucket): Promise<Record<string, { size: number; etag: string }>> => {
  const objects: Record<string, { size: number; etag: string }> = {};
  for await (const page of bucket.list()) for (const { key, size, etag } of page.objects) objects[key] = { size, etag };
  return objects;
};

/** The file table without permissions, to compare with a listing. */
export const contents = (
  files: Awaited<ReturnType<Service['files']>>,
): Record<string, { size: number | null; etag: string | null }> =>
  Object.fromEntries(Object.entries(files).map(([path, { size, etag }]) => [path, { size, etag }]));

/** The file table that these message bodies come to, told one batch of a few after the other to a service of their own. */
export const tableOf = async (
  bodies: readonly string[],
  bucket: Bucket,
  bucketName: string,
): Promise<Record<string, { size: number | null; etag: string | null }>> => {
  const folder = await freshFolder();
  const workspace = await openWorkspace(loadConfig({ DATA_DIR: folder }), 'test');
  const { log, projector } = workspace;
  for (let at = 0; at < bodies.length; at += 7) {
    const deliveries = bodies.slice(at, at + 7).map((body, index) => ({
      deliveryId: String(at + index),
      message: { body: Buffer.from(body), attributes: {} },
    }));
    await takeIn(deliveries, {
      log,
      sourceName: 'test',
      bucketName,
      bucket,
      permissions: { files: projector.database, acl: false },
    });
    await projector.catchUp();
  }
  const rows = await projector.database.all<FileRow>('SELECT * FROM file ORDER BY path');
  await workspace.close();
  await removeFolder(folder);
  return Object.fromEntries(rows.map(({ path, size, etag }) => [path, { size, etag }]));
};
