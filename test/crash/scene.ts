import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createBucket, createBucketWriter } from '../../src/bucket/s3.ts';
import { loadConfig } from '../../src/config/config.ts';
import { runCycle } from '../../src/cycle/cycle.ts';
import { openWorkspace } from '../../src/data-folder/workspace.ts';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { startFileManager } from '../../src/file-manager/server.ts';
import { quarantineRoom } from '../../src/log/quarantine.ts';
import { openLogForReading } from '../../src/log/read-log.ts';
import { gateLimits } from '../../src/plan/gate.ts';
import { openProjections } from '../../src/status/projections.ts';
import { verify } from '../../src/verify/verify.ts';
import { secrets } from '../support/canary.ts';
import { type Finished, runCli, startCli } from '../support/cli.ts';
import { startFauxqsServer } from '../support/fauxqs.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

/** Events of every kind about the change from the first state of the bucket to the second, and a line that is none. */
const changes = [
  { type: 'create', path: 'new.txt', size: 3 },
  { type: 'create', path: 'docs/changed.txt', size: 13, permissions: '0640' },
  { type: 'rename', path: 'docs/old name.txt', to: 'docs/new name.txt' },
  { type: 'move', path: 'docs/moved.txt', to: 'archive/2026/moved.txt' },
  { type: 'rename', path: 'photos/', to: 'pictures/' },
  { type: 'rename', path: 'swap/a', to: 'swap/c' },
  { type: 'rename', path: 'swap/b', to: 'swap/a' },
  { type: 'rename', path: 'swap/c', to: 'swap/b' },
  { type: 'delete', path: 'gone.txt' },
  { type: 'change_permission', path: 'docs/script.sh', permissions: '0755' },
].map((event, at) => ({ id: `e${at}`, time: `2030-01-01T00:00:${String(at).padStart(2, '0')}Z`, ...event }));
const lines = [...changes.map((event) => JSON.stringify(event)), 'no event at all'].join('\n');

const before: Readonly<Record<string, string>> = {
  'docs/changed.txt': 'first content',
  'docs/old name.txt': 'renamed',
  'docs/moved.txt': 'moved',
  'docs/script.sh': '#!/bin/sh',
  'photos/1.jpg': 'one',
  'photos/2025/2.jpg': 'two',
  'swap/a': 'content a',
  'swap/b': 'content b, longer',
  'gone.txt': 'gone',
  'stays.txt': 'stays',
};
const after: Readonly<Record<string, string>> = {
  'new.txt': 'new',
  'docs/changed.txt': 'other content',
  'docs/new name.txt': 'renamed',
  'archive/2026/moved.txt': 'moved',
  'docs/script.sh': '#!/bin/sh',
  'pictures/1.jpg': 'one',
  'pictures/2025/2.jpg': 'two',
  'swap/a': 'content b, longer',
  'swap/b': 'content a',
  'stays.txt': 'stays',
};

/** What a scene begins from: the bucket is in its second state, the file manager in its first. */
export type Stage = 'synced' | 'ingested';

/**
 * A bucket whose changes the file manager does not have yet, made once and copied for each scene. `synced`: nothing is
 * known of the changes. `ingested`: the log has them all.
 */
export const prepareScenes = async () => {
  const folder = await freshFolder();
  const s3 = await startFauxqsServer();
  const access = {
    endpoint: s3.url,
    region: s3.region,
    accessKey: s3.accessKey,
    secretKey: s3.secretKey,
    bucket: 'scene',
  };
  const writer = createBucketWriter(access);
  const bucket = createBucket(access);
  await writer.create();
  for (const [path, text] of Object.entries(before)) await writer.put(path, Buffer.from(text));

  const environmentOf = (stage: string, url: string): Record<string, string> => ({
    DATA_DIR: join(folder, stage, 'data'),
    CUSTOMER_S3_ENDPOINT: s3.url,
    CUSTOMER_S3_ACCESS_KEY: s3.accessKey,
    CUSTOMER_S3_SECRET_KEY: s3.secretKey,
    CUSTOMER_S3_BUCKET: access.bucket,
    FILE_MANAGER_API_URL: url,
    SYNC_CONCURRENCY: '3',
  });
  const insist = async (args: readonly string[], environment: Record<string, string>, input = ''): Promise<void> => {
    const { code, stderr } = await runCli(args, environment, input);
    if (code !== 0) throw new Error(`${args[0]} ended with ${code}: ${stderr}`);
  };
  const openFiles = (stage: string) =>
    startFileManager({ root: join(folder, stage, 'files'), host: '127.0.0.1', port: 0, trashRetentionMs: 0 });

  const files = await openFiles('synced');
  await insist(['initial-sync'], environmentOf('synced', files.url));
  await files.close();
  for (const path of Object.keys(before)) if (!(path in after)) await writer.delete(path);
  for (const [path, text] of Object.entries(after))
    if (before[path] !== text) await writer.put(path, Buffer.from(text));
  await cp(join(folder, 'synced'), join(folder, 'ingested'), { recursive: true });
  const events = join(folder, 'events.jsonl');
  await writeFile(events, lines);
  await insist(['ingest', events], environmentOf('ingested', 'http://127.0.0.1:9'));

  let scenes = 0;
  return {
    events,
    /** A copy of a stage, for one process to be killed in. */
    scene: async (stage: Stage) => {
      scenes += 1;
      const name = `scene-${scenes}`;
      await cp(join(folder, stage), join(folder, name), { recursive: true });
      return {
        root: join(folder, name, 'files'),
        environment: (url: string) => environmentOf(name, url),
        files: () => openFiles(name),
        /** Runs a cycle in this process, which has all of the service loaded, and resolves with how it ended. */
        cycle: async (url: string): Promise<string> => {
          const config = loadConfig(environmentOf(name, url));
          const workspace = await openWorkspace(config, 'test');
          try {
            const { report } = await runCycle({
              workspace,
              dataFolder: config.paths.data,
              fileManager: createFileManagerClient({ baseUrl: url, token: secrets.FILE_MANAGER_TOKEN }),
              bucket,
              gate: gateLimits,
              metadata: config.flag('CUSTOMER_S3_METADATA'),
              concurrency: 3,
              reportEndpoints: [],
              cyclesKept: 10,
            });
            return report.status;
          } finally {
            await workspace.close();
          }
        },
        /** What is not as it must be at the end. */
        faults: async (url: string): Promise<string[]> => {
          const data = join(folder, name, 'data');
          const log = await openLogForReading(join(data, 'events.db'));
          const live = await openProjections(join(data, 'projections.db'), log);
          if (!live) return ['the projections are of another log'];
          const found: string[] = [];
          const client = createFileManagerClient({ baseUrl: url, token: secrets.FILE_MANAGER_TOKEN });
          for await (const line of verify({ bucket, database: live.database, fileManager: client, checksum: true }))
            if (line.sign !== '=' || line.projection !== '=')
              found.push(`${line.sign}${line.projection} ${line.path} ${line.detail}`);
          const counts = await log.database.get<{ events: number; last: number; mine: number }>(
            `SELECT count(*) AS events, max("offset") AS last, sum(id GLOB 'e[0-9]*') AS mine FROM event`,
          );
          if (counts?.events !== counts?.last) found.push('the offsets have a hole');
          const scanned = counts?.mine === 0;
          if (!scanned && counts?.mine !== changes.length) found.push(`${counts?.mine} of ${changes.length} events`);
          if (!scanned && (await quarantineRoom(log.database)).entries !== 1)
            found.push('quarantine does not hold the one bad line');
          const script = await live.database.get<{ permissions: string }>(
            `SELECT permissions FROM file WHERE path = 'docs/script.sh'`,
          );
          if (!scanned && script?.permissions !== '0755') found.push(`permissions ${script?.permissions}`);
          await live.database.close();
          await log.close();
          return found;
        },
      };
    },
    close: async () => {
      bucket.close();
      writer.close();
      await s3.stop();
      await removeFolder(folder);
    },
  };
};

export type Scenes = Awaited<ReturnType<typeof prepareScenes>>;
export type Scene = Awaited<ReturnType<Scenes['scene']>>;

/** Runs a command that is to end itself at the failpoint. */
export const runKilled = (
  args: readonly string[],
  environment: Record<string, string>,
  failpoint: string,
): Promise<Finished> => {
  const { child, finished } = startCli(args, { ...environment, FAILPOINT: failpoint });
  child.stdin?.end();
  return finished;
};

/** Runs a command until it ends well; resolves with what it printed last. */
export const runUntilDone = async (args: readonly string[], environment: Record<string, string>): Promise<Finished> => {
  let last: Finished = { code: null, stdout: '', stderr: '' };
  for (let attempt = 0; attempt < 5 && last.code !== 0; attempt += 1) last = await runCli(args, environment);
  return last;
};

/** At most `most` at once. */
export const createGate = (most: number) => {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };
};
