import { createReadStream } from 'node:fs';
import { messageOf } from '../errors.ts';
import type { Database, Queries } from '../storage/database.ts';
import type { BackupStorage } from './backup.ts';
import { stampOf } from './disk.ts';
import type { Log } from './log.ts';
import { look, onDisk } from './paths.ts';
import { isExplicit, within } from './state.ts';

/**
 * Carries changes over to the backup storage. The tasks commit with the change itself, so a crash loses none; they run in
 * order, one at a time, and one that fails is tried again, with growing pauses, before any later one.
 */
export type BackupWorker = {
  /** Takes up what changed while there was no backup storage, or another one: what this one lacks, or holds still. */
  catchUp(): Promise<void>;
  wake(): void;
  pending(): Promise<number>;
  /** Stops after the task that runs; the others stay for the next start. */
  stop(): Promise<void>;
};

type Task = { readonly id: number; readonly kind: string; readonly path: string; readonly target: string | null };

/** What stands for the content of a folder of its own. */
const folderStamp = 'folder';
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

/** Tasks for every path that differs from what this place has taken, but for those that have one already. */
const enqueueMissed = async (db: Queries, place: string): Promise<void> => {
  if ((await db.all('SELECT 1 FROM backup_place WHERE place <> ?', [place])).length > 0)
    await db.exec('DELETE FROM backed_up; DELETE FROM backup_place');
  await db.run('INSERT OR IGNORE INTO backup_place VALUES (?)', [place]);
  await db.exec(
    `WITH present AS (
       SELECT path, coalesce(stamp, '${folderStamp}') AS stamp FROM attribute WHERE explicit = 1 OR stamp IS NOT NULL),
     missed AS (
       SELECT path FROM (SELECT * FROM present EXCEPT SELECT path, stamp FROM backed_up)
       UNION SELECT path FROM backed_up WHERE path NOT IN (SELECT path FROM present)
       EXCEPT SELECT path FROM backup_task EXCEPT SELECT target FROM backup_task)
     INSERT INTO backup_task (kind, path) SELECT 'put', path FROM missed`,
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
      await carryOver(root, db, storage, task);
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
    catchUp: () => db.transaction((queries) => enqueueMissed(queries, storage.place)),
    wake,
    pending: async () => (await db.get<{ n: number }>('SELECT count(*) AS n FROM backup_task'))?.n ?? 0,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
};

/** What the disk holds at a path now; undefined when the backup storage should hold nothing there. */
const presentAt = async (root: string, db: Database, path: string): Promise<Present | undefined> => {
  if (path.endsWith('/')) return (await isExplicit(db, path)) ? { stamp: folderStamp, length: 0 } : undefined;
  const { kind, stats } = await look(root, path, { lenient: true });
  return kind === 'file' && stats !== undefined ? { stamp: stampOf(stats), length: stats.size } : undefined;
};

type Present = { readonly stamp: string; readonly length: number };

/**
 * Brings the backup of one path to what the disk holds now, which may be later than the task: the tasks of the later
 * changes then find nothing to do. `backed_up` keeps which bytes the backup storage has taken.
 */
const bringUpToDate = async (root: string, db: Database, storage: BackupStorage, path: string): Promise<void> => {
  const present = await presentAt(root, db, path);
  if (present === undefined) {
    await storage.remove(path);
    await db.run('DELETE FROM backed_up WHERE path = ?', [path]);
    return;
  }
  if ((await backedUp(db, path)) === present.stamp) return;
  // The read ends at the declared length, also when the file is replaced meanwhile; the next task then repeats it.
  const end = Math.max(present.length - 1, 0);
  await storage.put(path, () => createReadStream(onDisk(root, path), { end }), present.length);
  await db.run('INSERT OR REPLACE INTO backed_up (path, stamp) VALUES (?, ?)', [path, present.stamp]);
};

const backedUp = async (db: Database, path: string): Promise<string | undefined> =>
  (await db.get<{ stamp: string }>('SELECT stamp FROM backed_up WHERE path = ?', [path]))?.stamp;

/** A rename saves the upload, but only when the backup holds at the old path the very bytes that lie at the new one. */
const carryOver = async (root: string, db: Database, storage: BackupStorage, task: Task): Promise<void> => {
  const { kind, path, target } = task;
  if (kind === 'rename' && target !== null) {
    const stamp = path.endsWith('/') ? undefined : await backedUp(db, path);
    if (stamp !== undefined && stamp === (await presentAt(root, db, target))?.stamp) {
      await storage.rename(path, target);
      await db.transaction(async (queries) => {
        await queries.run('INSERT OR REPLACE INTO backed_up (path, stamp) VALUES (?, ?)', [target, stamp]);
        await queries.run('DELETE FROM backed_up WHERE path = ?', [path]);
      });
    }
    await bringUpToDate(root, db, storage, target);
  }
  await bringUpToDate(root, db, storage, path);
};
