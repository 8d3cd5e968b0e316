import { randomUUID } from 'node:crypto';
import { FatalError } from '../errors.ts';
import type { Database } from '../storage/database.ts';

/** Version of `events.db`. A log of a newer version is refused, one of an older version migrated (migrate.ts). */
export const logVersion = 2;

const schema = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
  "offset" INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  time TEXT NOT NULL,
  path TEXT NOT NULL,
  "to" TEXT,
  size INTEGER,
  etag TEXT,
  permissions TEXT,
  version TEXT,
  key TEXT,
  modified_at TEXT,
  scope TEXT,
  source TEXT NOT NULL,
  operation TEXT,
  file_id INTEGER,
  file_offset INTEGER,
  checksum INTEGER NOT NULL
);
CREATE TRIGGER IF NOT EXISTS event_no_update BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'the event log is append-only: an event is never changed'); END;
CREATE TRIGGER IF NOT EXISTS event_no_delete BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'the event log is append-only: an event is never deleted'); END;
CREATE UNIQUE INDEX IF NOT EXISTS outcome_id ON event (id) WHERE type = 'outcome';
CREATE TABLE IF NOT EXISTS known_id (digest INTEGER NOT NULL, "offset" INTEGER NOT NULL, PRIMARY KEY (digest, "offset")) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS under_way (op_id TEXT PRIMARY KEY, step TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS own_key (op_id TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  digest TEXT NOT NULL UNIQUE,
  source TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  received_at TEXT NOT NULL,
  last_received_at TEXT NOT NULL,
  times INTEGER NOT NULL,
  attributes TEXT NOT NULL,
  body BLOB NOT NULL,
  format TEXT
);
`;

/**
 * Whether a writer has come as far as a log's tables; a full disk may leave a file without. Throws FatalError where something
 * else is in it.
 */
export const isLogBegun = async (database: Pick<Database, 'all' | 'path'>): Promise<boolean> => {
  const tables = await database.all<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table'");
  if (tables.length > 0 && !tables.some(({ name }) => name === 'event')) {
    const names = tables.map(({ name }) => name).join(', ');
    throw new FatalError(`${database.path} holds something else than an event log (${names}): name another file`);
  }
  return tables.length > 0;
};

/**
 * Creates what is missing and checks the version. `log_id` names this log for ever: a projection that was folded from
 * another log is recognised by it and rebuilt. Throws FatalError for a log from a newer version of the service.
 */
export const prepareLog = async (database: Database): Promise<{ logId: string }> => {
  const { version } = (await isLogBegun(database)) ? await readLogMeta(database) : { version: logVersion };
  await database.transaction(async (queries) => {
    const createTables = (): Promise<void> => queries.exec(schema);
    if (version === 1) await (await import('./migrate.ts')).migrateFrom1(queries, createTables);
    else await createTables();
    await queries.run(`INSERT OR IGNORE INTO meta VALUES ('version', ?), ('log_id', ?)`, [
      String(logVersion),
      randomUUID(),
    ]);
  });
  return readLogMeta(database);
};

/** Checks version and identity of an existing log without writing to it. */
export const readLogMeta = async (
  database: Pick<Database, 'all' | 'path'>,
): Promise<{ logId: string; version: number }> => {
  const rows = await database.all<{ name: string; value: string }>('SELECT name, value FROM meta');
  const meta = new Map(rows.map((row) => [row.name, row.value]));
  const version = Number(meta.get('version'));
  if (!(version <= logVersion)) {
    throw new FatalError(
      `${database.path} was written by a newer version of the service (format ${version}, this one knows ${logVersion}): upgrade, or name another folder`,
    );
  }
  return { logId: meta.get('log_id') ?? '', version };
};
