import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { failpoint } from '../failpoint.ts';
import type { Database, Queries } from '../storage/database.ts';
import type { BackupStorage } from './backup.ts';
import { type BackupWaits, type BackupWorker, createBackupWorker } from './backup-worker.ts';
import { keepsModes, removeTree } from './disk.ts';
import { createKeyedQueue, remember } from './idempotency.ts';
import type { Log } from './log.ts';
import { stateFolder } from './paths.ts';
import { openState } from './state.ts';

/** Everything that an operation on the files works with. */
export type Store = {
  readonly root: string;
  readonly db: Database;
  readonly log: Log;
  readonly trashRetentionMs: number;
  /** Whether a file's mode on the disk tells anything. */
  readonly keepsModes: boolean;
  readonly temporaryFile: () => string;
  readonly trashed: (name: string) => string;
  /** One change of the tree at a time; bodies arrive beside it. */
  readonly exclusive: <T>(work: () => Promise<T>) => Promise<T>;
  /** From now on no change of the tree begins before this has succeeded. */
  readonly settleFirst: (work: () => Promise<void>) => void;
  /** Resolves once nothing is left to settle first; rejects when it fails again. */
  readonly settled: () => Promise<void>;
  /** Commits the rows of an effect together with its remembered answer. */
  readonly commit: (effect: Effect, answer: Answer, rows: (db: Queries) => Promise<void>) => Promise<Answer>;
  readonly backup: BackupWorker | undefined;
};

/** The request that an effect belongs to. */
export type Effect = { readonly endpoint: string; readonly key: string; readonly fingerprint: string };

/** What a confirmed change answers; always `ok: true`, with the path that was changed. */
export type Answer = { readonly ok: true } & Readonly<Record<string, unknown>>;

/** Opens the state in `root`. `root` must be the real path of an existing folder. Temporary files of a crash go. */
export const openStore = async (options: {
  root: string;
  log: Log;
  trashRetentionMs: number;
  backup: BackupStorage | undefined;
  backupWaits?: Partial<BackupWaits> | undefined;
}): Promise<Store> => {
  const { root, log, trashRetentionMs } = options;
  const own = `${root}/${stateFolder}`;
  await mkdir(`${own}/trash`, { recursive: true, mode: 0o700 });
  const db = await openState(`${own}/state.db`);
  await removeTree(`${own}/tmp`);
  await mkdir(`${own}/tmp`, { mode: 0o700 });
  const queue = createKeyedQueue();
  const backup =
    options.backup && createBackupWorker({ root, db, log, storage: options.backup, waits: options.backupWaits });
  let unsettled: (() => Promise<void>) | undefined;
  const exclusive: Store['exclusive'] = (work) =>
    queue('tree', async () => {
      await unsettled?.();
      unsettled = undefined;
      return work();
    });
  return {
    root,
    db,
    log,
    trashRetentionMs,
    backup,
    keepsModes: await keepsModes(`${own}/tmp/${randomUUID()}`),
    temporaryFile: () => `${own}/tmp/${randomUUID()}`,
    trashed: (name) => `${own}/trash/${name}`,
    exclusive,
    settleFirst: (work) => {
      unsettled = work;
    },
    settled: async () => (unsettled === undefined ? undefined : exclusive(async () => undefined)),
    commit: async (effect, answer, rows) => {
      failpoint('state.commit.before');
      await db.transaction(async (queries) => {
        await rows(queries);
        await remember(queries, { ...effect, answer, atMs: Date.now() });
        failpoint('state.commit.written');
      });
      failpoint('state.commit.after');
      backup?.wake();
      return answer;
    },
  };
};
