import type { Queries } from '../storage/database.ts';
import { within } from './state.ts';

/**
 * Which paths the backup storage may hold otherwise than the disk, in the tables `backup_due` and `backed_up`. They commit
 * with the change itself, so a crash loses none.
 *
 * A path is due once, however often it has changed, since what is carried over is what the disk holds by then: its last
 * change gives it its place, behind what changed before, and a number (`id`) of its own. What was tried in vain comes up
 * again at `next_at`, behind all that was not. `source` says where a renamed file lay: its bytes may be there still.
 *
 * `backed_up` holds every path at which the backup storage may hold something, with the stamp of those bytes, or with
 * `unknown` while it is asked to take others. What is not in it needs no removing.
 */
export type Due = {
  readonly id: number;
  readonly path: string;
  readonly source: string | null;
  readonly tries: number;
};

/** What stands for the content of a folder of its own. */
export const folderStamp = 'folder';
const unknown = '';

const isPresent = '(explicit = 1 OR stamp IS NOT NULL)';

/** What changes on the disk, as paths that are due. Each is called inside the transaction of the change. */
export type BackupNotes = {
  /** A file, or a folder's own being. */
  changed(db: Queries, path: string): Promise<void>;
  /** A file, or a folder with all beneath it. */
  removed(db: Queries, path: string): Promise<void>;
  /** Before the rows of `attribute` change. */
  renamed(db: Queries, path: string, to: string): Promise<void>;
  /** All that an entry of the trash holds. */
  restored(db: Queries, name: string): Promise<void>;
};

export const backupNotes: BackupNotes = {
  changed: async (db, path) => {
    await db.run('INSERT OR REPLACE INTO backup_due (path) VALUES (?)', [path]);
  },
  removed: async (db, path) => {
    const { sql, parameters } = within(path);
    await db.run(`DELETE FROM backup_due WHERE ${sql}`, parameters);
    await db.run(`INSERT INTO backup_due (path) SELECT path FROM backed_up WHERE ${sql}`, parameters);
  },
  renamed: async (db, path, to) => {
    const from = within(path);
    await db.run(
      `INSERT OR REPLACE INTO backup_due (path, source)
       SELECT ? || substr(path, ?), coalesce(source, path)
       FROM (SELECT path FROM attribute WHERE ${from.sql} AND ${isPresent} UNION SELECT ?) LEFT JOIN backup_due USING (path)`,
      [to, [...path].length + 1, ...from.parameters, path],
    );
    await backupNotes.removed(db, path);
    // Where the bytes lie that are to be copied, nothing else happens before.
    const target = within(to);
    await db.run(
      `INSERT OR REPLACE INTO backup_due (path, source)
       SELECT path, source FROM backup_due WHERE path IN (SELECT source FROM backup_due WHERE ${target.sql})`,
      target.parameters,
    );
  },
  restored: async (db, name) => {
    await db.run('INSERT OR REPLACE INTO backup_due (path) SELECT path FROM trashed_attribute WHERE name = ?', [name]);
  },
};

/** What the backup storage has taken counts for nothing any more. */
export const forgetHeld = (db: Queries): Promise<void> => db.exec('DELETE FROM backed_up');

/**
 * Makes due what differs from what this place has taken: what changed while there was no backup storage, or another one.
 * What was tried in vain comes up again at once.
 */
export const takeStock = async (db: Queries, place: string, now: Date): Promise<void> => {
  if ((await db.all('SELECT 1 FROM backup_place WHERE place <> ?', [place])).length > 0) {
    await forgetHeld(db);
    await db.exec('DELETE FROM backup_place');
  }
  await db.run('INSERT OR IGNORE INTO backup_place VALUES (?)', [place]);
  await db.run('UPDATE backup_due SET next_at = ? WHERE next_at > ?', [now.toISOString(), now.toISOString()]);
  await db.exec(
    `WITH present AS (SELECT path, coalesce(stamp, '${folderStamp}') AS stamp FROM attribute WHERE ${isPresent})
     INSERT OR IGNORE INTO backup_due (path)
       SELECT path FROM (SELECT * FROM present EXCEPT SELECT path, stamp FROM backed_up)
       UNION SELECT path FROM backed_up WHERE path NOT IN (SELECT path FROM present)`,
  );
};

/** What is to be carried over next; undefined when all that is left waits. */
export const nextDue = (db: Queries, now: Date): Promise<Due | undefined> =>
  db.get<Due>('SELECT id, path, source, tries FROM backup_due WHERE next_at <= ? ORDER BY next_at, id LIMIT 1', [
    now.toISOString(),
  ]);

/** When the first of those comes up that wait. */
export const nextTry = async (db: Queries): Promise<Date | undefined> => {
  const row = await db.get<{ at: string | null }>('SELECT min(next_at) AS at FROM backup_due');
  return row?.at ? new Date(row.at) : undefined;
};

/** The stamp of the bytes that the backup storage holds at a path; undefined when it holds nothing there. */
export const heldAt = async (db: Queries, path: string): Promise<string | undefined> =>
  (await db.get<{ stamp: string }>('SELECT stamp FROM backed_up WHERE path = ?', [path]))?.stamp;

const hold = async (db: Queries, path: string, stamp: string | undefined): Promise<void> => {
  if (stamp === undefined) await db.run('DELETE FROM backed_up WHERE path = ?', [path]);
  else await db.run('INSERT OR REPLACE INTO backed_up (path, stamp) VALUES (?, ?)', [path, stamp]);
};

/** From now on it is not known what the backup storage holds there. */
export const beginAt = (db: Queries, path: string): Promise<void> => hold(db, path, unknown);

/** The backup storage has refused to take anything at a path where it held nothing. */
export const refusedAt = (db: Queries, path: string): Promise<void> => hold(db, path, undefined);

/** The backup storage holds what the disk held; a change since then has made the path due under another number. */
export const settle = async (db: Queries, { id, path }: Due, stamp: string | undefined): Promise<void> => {
  await hold(db, path, stamp);
  await db.run('DELETE FROM backup_due WHERE id = ?', [id]);
};

/** Lets a path wait, and with it the removal of what its bytes were last seen as: the only copy, maybe. */
export const postpone = async (db: Queries, due: Due, reason: string, until: Date): Promise<void> => {
  const at = until.toISOString();
  await db.run('UPDATE backup_due SET next_at = ?, tries = tries + 1, reason = ? WHERE id = ?', [at, reason, due.id]);
  await db.run(
    `UPDATE backup_due SET next_at = ?
     WHERE path = ? AND id > ? AND path NOT IN (SELECT path FROM attribute WHERE ${isPresent})`,
    [at, due.source, due.id],
  );
};

export type BackupCounts = {
  /** Paths of which the backup storage has not taken the last change. */
  readonly pending: number;
  /** Those of them that were tried in vain. */
  readonly failing: number;
};

export const countsOf = async (db: Queries): Promise<BackupCounts> =>
  (await db.get<BackupCounts>('SELECT count(*) AS pending, count(reason) AS failing FROM backup_due')) ?? {
    pending: 0,
    failing: 0,
  };
