import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import type { BucketEvent } from '../../events/event.ts';
import { createBucket, createBucketWriter } from '../../src/bucket/s3.ts';
import { loadConfig } from '../../src/config/config.ts';
import { type CycleOptions, type CycleResult, runCycle } from '../../src/cycle/cycle.ts';
import { runCycles } from '../../src/cycle/cycles.ts';
import { openWorkspace, type Workspace } from '../../src/data-folder/workspace.ts';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { startFileManager } from '../../src/file-manager/server.ts';
import { gateLimits } from '../../src/plan/gate.ts';
import type { Report } from '../../src/report/report.ts';
import { verify } from '../../src/verify/verify.ts';
import { insistOnNoSecretIn, secrets } from './canary.ts';
import { startFauxqsServer } from './fauxqs.ts';
import { freshFolder, removeFolder } from './folder.ts';
import type { Minio } from './minio.ts';
import { uniqueName } from './servers.ts';

/** Bucket, log, projections and reference file manager, all real, for tests of whole cycles. */
export const createWorld = async ({
  trashRetentionMs = 0,
  s3: started,
}: {
  readonly trashRetentionMs?: number;
  /** In place of the embedded server; it is stopped with the world. */
  readonly s3?: Pick<Minio, 'url' | 'region' | 'accessKey' | 'secretKey' | 'stop'>;
} = {}) => {
  const folder = await freshFolder();
  const s3 = started ?? (await startFauxqsServer());
  const access = {
    endpoint: s3.url,
    region: s3.region,
    accessKey: s3.accessKey,
    secretKey: s3.secretKey,
    bucket: uniqueName('bucket'),
  };
  const writer = createBucketWriter(access);
  await writer.create();
  const bucket = createBucket(access);
  const server = await startFileManager({
    root: join(folder, 'files'),
    host: '127.0.0.1',
    port: 0,
    trashRetentionMs,
  });
  const client = createFileManagerClient({ baseUrl: server.url, token: secrets.FILE_MANAGER_TOKEN });
  const config = loadConfig({ DATA_DIR: join(folder, 'data') });
  let workspace: Workspace = await openWorkspace(config, 'test');
  let number = 0;
  let released = false;

  const optionsOf = (options: Partial<CycleOptions>): CycleOptions => ({
    workspace,
    dataFolder: config.paths.data,
    fileManager: client,
    bucket,
    gate: gateLimits,
    concurrency: 4,
    reportEndpoints: [],
    cyclesKept: 1_000,
    ...options,
  });
  const cycle = (options: Partial<CycleOptions> = {}): Promise<CycleResult> => runCycle(optionsOf(options));
  /** Lot after lot; resolves also with the reports of those before the last. */
  const cycles = async (options: Partial<CycleOptions>): Promise<{ result: CycleResult; before: Report[] }> => {
    const before: Report[] = [];
    return { result: await runCycles(optionsOf(options), (report) => before.push(report)), before };
  };

  const append = async (fields: Omit<BucketEvent, 'id' | 'time' | 'source'>): Promise<void> => {
    number += 1;
    await workspace.log.append([
      {
        id: `e${number}`,
        time: new Date(Date.UTC(2026, 0, 1) + number * 1000).toISOString(),
        source: 'native',
        ...fields,
      },
    ]);
  };

  /** Stores an object and appends the event about it. */
  const put = async (path: string, text: string, fields: Partial<BucketEvent> = {}): Promise<void> => {
    await writer.put(path, Buffer.from(text));
    await append({
      type: 'create',
      path,
      size: Buffer.byteLength(text),
      etag: createHash('md5').update(text).digest('hex'),
      ...fields,
    });
  };

  /** Paths on which the three sides are not equal, by the bytes. */
  const differences = async (): Promise<string[]> => {
    const lines: string[] = [];
    for await (const { path, sign, projection, detail } of verify({
      bucket,
      database: workspace.projector.database,
      fileManager: client,
      checksum: true,
    })) {
      if (sign !== '=' || projection !== '=') lines.push(`${sign}${projection} ${path} ${detail}`);
    }
    return lines;
  };

  return {
    folder,
    config,
    access,
    s3,
    bucket,
    writer,
    client,
    server,
    cycle,
    cycles,
    append,
    put,
    differences,
    workspace: () => workspace,
    /** Closes log and projections and opens them again, as a new process would; `between` may put others there. */
    restart: async (between?: (folder: string) => Promise<void>) => {
      await workspace.close();
      await between?.(config.paths.data);
      workspace = await openWorkspace(config, 'test');
    },
    /** Gives the data folder up, for a process of its own to take. */
    release: async () => {
      await workspace.close();
      released = true;
    },
    close: async () => {
      if (!released) await workspace.close();
      bucket.close();
      writer.close();
      await server.close();
      await s3.stop();
      await insistOnNoSecretIn(folder);
      await removeFolder(folder);
    },
  };
};

export type World = Awaited<ReturnType<typeof createWorld>>;

/** The file manager as one that takes the permissions of a save by a request of their own alone. */
export const inTwoRequests = (fileManager: FileManager): FileManager => ({
  ...fileManager,
  describe: async (options) => {
    const { capabilities, ...info } = await fileManager.describe(options);
    return { ...info, capabilities: capabilities.filter((name) => name !== 'save-permissions') };
  },
});

/** The settings of a command that works on this world. */
export const environmentOf = ({ config, s3, access, server }: World): Record<string, string> => ({
  DATA_DIR: config.paths.data,
  CUSTOMER_S3_ENDPOINT: s3.url,
  CUSTOMER_S3_ACCESS_KEY: access.accessKey,
  CUSTOMER_S3_SECRET_KEY: access.secretKey,
  CUSTOMER_S3_BUCKET: access.bucket,
  FILE_MANAGER_API_URL: server.url,
});

/** A small HTTP server that records the bodies it is sent. */
export const startRecorder = async (
  status = 204,
): Promise<{ url: string; bodies: unknown[]; server: Server; answer: (status: number) => void }> => {
  const bodies: unknown[] = [];
  let answered = status;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (answered < 300) bodies.push(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(answered).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}/report`, bodies, server, answer: (next) => (answered = next) };
};
