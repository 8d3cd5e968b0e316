import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchBucket,
  S3Client,
} from '@aws-sdk/client-s3';
import type { ExecutionContext } from 'ava';
import { createBucketWriter } from '../../src/bucket/s3.ts';
import { type BackupStorage, createBucketBackup } from '../../src/file-manager/backup.ts';
import type { Log } from '../../src/file-manager/log.ts';
import type { RunningFileManager } from '../../src/file-manager/server.ts';
import type { Access } from '../bucket/support.ts';
import { connectionTo } from '../bucket/support.ts';
import { uniqueName } from '../support/servers.ts';

/** What becomes of a request: as the server says, done and its answer lost, its connection cut, no answer, or this status. */
export type Fate = 'pass' | 'lost' | 'cut' | 'hang' | number;

export type BackupBucket = {
  readonly storage: BackupStorage;
  /** The requests that came, such as `PUT a`, or `COPY a` for one that copies there; of the bucket itself `GET `. */
  readonly asked: string[];
  /** Decides about each request to come; what it does first is done before the request goes on. */
  fate: (asked: string) => Fate | Promise<Fate>;
  /** Of what the bucket holds; none where it is not there. */
  keys(): Promise<string[]>;
  /** What the bucket holds, by key. */
  held(): Promise<Record<string, string>>;
  make(): Promise<void>;
  destroy(): Promise<void>;
};

/** A backup storage in a bucket of a real server, behind a door that can be shut. The bucket is not there yet. */
export const backupBucket = async (
  t: ExecutionContext,
  access: Access,
  more: Partial<Access> = {},
): Promise<BackupBucket> => {
  const Bucket = uniqueName('backup');
  const { port } = new URL(access.url);
  const door = createServer(async (from, to) => {
    const key = decodeURIComponent(new URL(from.url ?? '', 'http://x').pathname).slice(Bucket.length + 2);
    const what = `${from.headers['x-amz-copy-source'] === undefined ? from.method : 'COPY'} ${key}`;
    bucket.asked.push(what);
    const fate = await bucket.fate(what);
    from.on('error', () => undefined);
    if (fate === 'hang') return;
    if (fate === 'cut') return void to.destroy();
    if (typeof fate === 'number') {
      from.resume().on('end', () => to.writeHead(fate).end('<Error><Code>Made</Code><Message>up</Message></Error>'));
      return;
    }
    const { method, url: path, headers } = from;
    const onward = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      if (fate === 'lost') return void answer.resume().on('end', () => to.destroy());
      to.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(to);
    });
    onward.on('error', () => to.destroy());
    from.pipe(onward);
  });
  await once(door.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(door.address() as AddressInfo).port}`;
  const writer = createBucketWriter({
    ...connectionTo({ ...access, ...more, url }, Bucket),
    settings: 'BACKUP_S3',
    attemptsMax: 1,
  });
  const s3 = new S3Client({
    endpoint: access.url,
    region: access.region,
    forcePathStyle: true,
    credentials: { accessKeyId: access.accessKey, secretAccessKey: access.secretKey },
  });
  t.teardown(() => {
    writer.close();
    s3.destroy();
    door.closeAllConnections();
    door.close();
  });
  const keys = async (): Promise<string[]> => {
    const listing = s3.send(new ListObjectsV2Command({ Bucket })).catch((error: unknown) => {
      if (error instanceof NoSuchBucket) return undefined;
      throw error;
    });
    return ((await listing)?.Contents ?? []).map(({ Key = '' }) => Key);
  };
  const bucket: BackupBucket = {
    storage: createBucketBackup(writer, `${access.url}/${Bucket}/`),
    asked: [],
    keys,
    fate: () => 'pass',
    held: async () => {
      const entries = (await keys()).map(async (Key) => {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
        return [Key, (await Body?.transformToString()) ?? ''] as const;
      });
      return Object.fromEntries(await Promise.all(entries));
    },
    make: async () => void (await s3.send(new CreateBucketCommand({ Bucket }))),
    destroy: async () => {
      for (const Key of await keys()) await s3.send(new DeleteObjectCommand({ Bucket, Key }));
      await s3.send(new DeleteBucketCommand({ Bucket }));
    },
  };
  return bucket;
};

/** Waits; rejects when it does not come about. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`within 30 s it has not come about that ${String(holds)}`);
    await pause(20);
  }
};

export const takenOver = (server: RunningFileManager): Promise<void> =>
  until(async () => (await server.backupPending()) === 0);

/** What `GET /health` says of the backup. */
export const healthOf = async ({ url }: RunningFileManager): Promise<{ pending: number; failing: number }> => {
  const answer = (await (await fetch(`${url}/health`)).json()) as { backup_pending: number; backup_failing: number };
  return { pending: answer.backup_pending, failing: answer.backup_failing };
};

export type Line = { readonly level: keyof Log; readonly message: string; readonly [field: string]: unknown };

/** A log, and what was written into it. */
export const heard = (): { logger: Log; lines: Line[] } => {
  const lines: Line[] = [];
  const write = (level: keyof Log) => (fields: object, message: string) =>
    void lines.push({ ...fields, level, message });
  return { lines, logger: { info: write('info'), warn: write('warn'), error: write('error') } };
};
