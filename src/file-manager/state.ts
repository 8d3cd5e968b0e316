import type { Database, Queries } from '../storage/database.ts';
import { openDatabase } from '../storage/database.ts';

/**
 * What the file manager remembers beside the files themselves. The files on disk are the truth about which paths exist and
 * which bytes they hold; an `attribute` row adds what a disk cannot keep. A row without a file holds permissions that wait
 * for their content (`pending`).
 *
 * Order of writes, and what a crash leaves:
 *   save     temp file, fsync, mode, rename, commit(attribute, key). Lost commit: the file is there, a repeat saves it again.
 *   others   commit(intent), move on disk, commit(rows, key, no intent). An intent found at start is carried out to its end;
 *            one that failed without a crash is withdrawn, or ends before anything else changes.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS attribute (
    path TEXT PRIMARY KEY, permissions TEXT, md5 TEXT, stamp TEXT,
    pending INTEGER NOT NULL DEFAULT 0, explicit INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS attribute_pending ON attribute (pending) WHERE pending > 0;
  CREATE TABLE IF NOT EXISTS answer (
    id INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, body TEXT NOT NULL,
    at_ms INTEGER NOT NULL, UNIQUE (endpoint, key));
  CREATE TABLE IF NOT EXISTS intent (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS trash (
    name TEXT PRIMARY KEY, key TEXT NOT NULL, path TEXT NOT NULL, at_ms INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS trash_key ON trash (key);
  CREATE INDEX IF NOT EXISTS trash_path ON trash (path);
  CREATE TABLE IF NOT EXISTS trashed_attribute (
    name TEXT NOT NULL, path TEXT NOT NULL, permissions TEXT, md5 TEXT, stamp TEXT, explicit INTEGER NOT NULL,
    PRIMARY KEY (name, path)) WITHOUT ROWID;
  DROP TABLE IF EXISTS backup_task;
  CREATE TABLE IF NOT EXISTS backup_due (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, source TEXT, tries INTEGER NOT NULL DEFAULT 0,
    next_at TEXT NOT NULL DEFAULT '', reason TEXT);
  CREATE INDEX IF NOT EXISTS backup_due_next ON backup_due (next_at, id);
  CREATE TABLE IF NOT EXISTS backed_up (path TEXT PRIMARY KEY, stamp TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS backup_place (place TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS inbox (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS inbox_kind ON inbox (kind, id);
  PRAGMA user_version = 1;
`;

export type Attribute = {
  readonly path: string;
  readonly permissions: string | null;
  readonly md5: string | null;
  readonly stamp: string | null;
  readonly explicit: number;
};

export const stateLimits = { pendingMax: 100_000, answersMax: 200_000, inboxMax: 1_000 } as const;

/** Opens the state and holds it alone: a second file manager on the same root is refused while this one lives. */
export const openState = async (path: string): Promise<Database> => {
  const database = await openDatabase({ path, mode: 'write', busyTimeoutMs: 2_000 });
  await database.exec(`PRAGMA locking_mode = EXCLUSIVE; ${schema}`);
  return database;
};

/** The SQL condition and its parameters for a path, and, for a folder, for all beneath it: "/" is followed by "0". */
export const within = (path: string): { sql: string; parameters: string[] } =>
  path.endsWith('/')
    ? { sql: 'path >= ? AND path < ?', parameters: [path, `${path.slice(0, -1)}0`] }
    : { sql: 'path = ?', parameters: [path] };

export const attributeOf = (db: Queries, path: string): Promise<Attribute | undefined> =>
  db.get<Attribute>('SELECT path, permissions, md5, stamp, explicit FROM attribute WHERE path = ?', [path]);

/** The attributes of many paths at once, by path. */
export const attributesOf = async (db: Queries, paths: readonly string[]): Promise<Map<string, Attribute>> => {
  const rows = await db.all<Attribute>(
    `SELECT path, permissions, md5, stamp, explicit FROM attribute
     WHERE path IN (SELECT value FROM json_each(?))`,
    [JSON.stringify(paths)],
  );
  return new Map(rows.map((row) => [row.path, row]));
};

/** Keeps what a save has stored; where it came without permissions those stay that were set before. */
export const recordSaved = (
  db: Queries,
  path: string,
  permissions: string | undefined,
  md5: string | null,
  stamp: string | null,
): Promise<number> =>
  db.run(
    `INSERT INTO attribute (path, permissions, md5, stamp, explicit) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (path) DO UPDATE SET permissions = coalesce(excluded.permissions, permissions), md5 = excluded.md5,
       stamp = excluded.stamp, explicit = excluded.explicit, pending = 0`,
    [path, permissions ?? null, md5, stamp, path.endsWith('/') ? 1 : 0],
  );

/** Keeps permissions. `pendingAt` is 0 for a path that exists, else the order in which waiting ones may be forgotten. */
export const recordPermissions = async (
  db: Queries,
  path: string,
  permissions: string,
  pending: boolean,
): Promise<void> => {
  await db.run(
    `INSERT INTO attribute (path, permissions, pending)
     VALUES (?, ?, CASE ? WHEN 1 THEN (SELECT coalesce(max(pending), 0) + 1 FROM attribute WHERE pending > 0) ELSE 0 END)
     ON CONFLICT (path) DO UPDATE SET permissions = excluded.permissions, pending = excluded.pending`,
    [path, permissions, pending ? 1 : 0],
  );
  if (pending) {
    await db.run(
      `DELETE FROM attribute WHERE pending > 0
       AND pending <= (SELECT max(pending) FROM attribute WHERE pending > 0) - ?`,
      [stateLimits.pendingMax],
    );
  }
};

/** Rewrites the rows of a path, or of a folder and all beneath it, to another path; what was there is forgotten. */
export const moveAttributes = async (db: Queries, path: string, to: string): Promise<void> => {
  const target = within(to);
  const source = within(path);
  await db.run(`DELETE FROM attribute WHERE ${target.sql}`, target.parameters);
  await db.run(`UPDATE attribute SET path = ? || substr(path, ?) WHERE ${source.sql}`, [
    to,
    [...path].length + 1,
    ...source.parameters,
  ]);
};

/** True when the folder was stored as a folder of its own, so it stays when it becomes empty. */
export const isExplicit = async (db: Queries, folder: string): Promise<boolean> =>
  (await attributeOf(db, folder))?.explicit === 1;

/** Adds to a bounded list (`event` or `report`); the oldest go. */
export const addToInbox = async (db: Queries, kind: string, at: string, bodies: readonly string[]): Promise<void> => {
  await db.run('INSERT INTO inbox (kind, at, body) SELECT ?, ?, value FROM json_each(?)', [
    kind,
    at,
    JSON.stringify(bodies),
  ]);
  await db.run(
    `DELETE FROM inbox WHERE kind = ?
     AND id <= (SELECT id FROM inbox WHERE kind = ? ORDER BY id DESC LIMIT 1 OFFSET ?)`,
    [kind, kind, stateLimits.inboxMax],
  );
};
