import { createReadStream } from 'node:fs';
import { messageOf } from '../errors.ts';
import type { Database, Queries } from '../storage/database.ts';
import type { BackupStorage } from './backup.ts';
import type { Log } from './log.ts';
import { look, onDisk } from './paths.ts';
import { within } from './state.ts';

/**
 * Carries changes over to the backup storage. The tasks commit with the change itself, so a crash loses none; they run in
 * order, one at a time, and one that fails is tried again, with growing pauses, before any later one.
 */
export type BackupWorker = {
  wake(): void;
  pending(): Promise<number>;
  /** Stops after the task that runs; the others stay for the next start. */
  stop(): Promise<void>;
};

type Task = { readonly id: number; readonly kind: string; readonly path: string; readonly target: string | null };

const pauseMs = { first: 500, max: 60_000 } as const;

/** One task for a file; for a folder one for each stored path beneath it. Call before its rows change. */
export const enqueueBackup = async (
  db: Queries,
  kind: 'put' | 'remove' | 'rename',
  path: string,
  to?: string,
): Promise<void> => {
  if (!path.endsWith('/') || kind === 'put') {
    await db.run('INSERT INTO backup_task (kind, path, target) VALUES (?, ?, ?)', [kind, path, to ?? null]);
    return;
  }
  const { sql, parameters } = within(path);
  await db.run(
    `INSERT INTO backup_task (kind, path, target)
     SELECT ?, path, ? || substr(path, ?) FROM attribute WHERE ${sql} AND (explicit = 1 OR stamp IS NOT NULL)`,
    [kind, to ?? null, [...path].length + 1, ...parameters],
  );
};

export const createBackupWorker = (options: {
  root: string;
  db: Database;
  log: Log;
  storage: BackupStorage;
}): BackupWorker => {
  const { root, db, log, storage } = options;
  let running: Promise<void> | undefined;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;

  const drain = async (): Promise<void> => {
    while (!stopped) {
      const task = await db.get<Task>('SELECT id, kind, path, target FROM backup_task ORDER BY id LIMIT 1');
      if (task === undefined) return;
      await carryOver(root, storage, task);
      await db.run('DELETE FROM backup_task WHERE id = ?', [task.id]);
      failures = 0;
    }
  };
  const wake = (): void => {
    if (stopped || running !== undefined || timer !== undefined) return;
    running = drain()
      .catch((error: unknown) => {
        const waitMs = Math.min(pauseMs.first * 2 ** failures++, pauseMs.max);
        log.warn({ error: messageOf(error), waitMs }, 'backup storage failed, will try again');
        timer = setTimeout(() => {
          timer = undefined;
          wake();
        }, waitMs).unref();
      })
      .then(() => db.get('SELECT 1 FROM backup_task LIMIT 1').catch(() => undefined))
      .then((more) => {
        running = undefined;
        if (more !== undefined) wake();
      });
  };
  return {
    wake,
    pending: async () => (await db.get<{ n: number }>('SELECT count(*) AS n FROM backup_task'))?.n ?? 0,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
};

const carryOver = async (root: string, storage: BackupStorage, task: Task): Promise<void> => {
  if (task.kind === 'remove') return storage.remove(task.path);
  if (task.kind === 'rename') return storage.rename(task.path, task.target ?? task.path);
  const found = await look(root, task.path, { lenient: true });
  // Changed again since: a later task carries that over.
  if (found.stats === undefined || (found.kind === 'folder') !== task.path.endsWith('/')) return;
  const length = found.kind === 'file' ? found.stats.size : 0;
  // One byte too many can't be sent when the file is replaced meanwhile: the read ends at the length that was declared.
  const end = Math.max(length - 1, 0);
  return storage.put(task.path, () => createReadStream(onDisk(root, task.path), { end }), length);
};
