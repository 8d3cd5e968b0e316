import { randomUUID } from 'node:crypto';
import { FatalError } from '../errors.ts';
import type { Database, Queries } from '../storage/database.ts';

/** Version of `events.db`. A folder written by a newer version is refused; older ones are migrated here, never rewritten. */
export const logVersion = 1;

/**
 * The log's columns, in the order in which rows travel to and from SQLite and in which the checksum covers them.
 * `checksum` is last: CRC-32 of the row's JSON, started from the row before, so a changed byte shows at its offset.
 */
export const eventColumns = [
  'offset',
  'id',
  'type',
  'time',
  'path',
  'to',
  'size',
  'etag',
  'permissions',
  'version',
  'key',
  'modified_at',
  'scope',
  'source',
  'operation',
  'file_id',
  'file_offset',
  'checksum',
] as const;

/** SQL list of the log's columns; `to` is a keyword and is quoted. */
export const eventColumnList = eventColumns.map((name) => `"${name}"`).join(', ');

const schema = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
  "offset" INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
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
CREATE TABLE IF NOT EXISTS under_way (op_id TEXT PRIMARY KEY, step TEXT NOT NULL);
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

/** Logs that were begun before quarantine kept formats lack the column; whoever does not know it leaves it alone. */
const addFormat = async (queries: Queries): Promise<void> => {
  const known = await queries.get("SELECT 1 FROM pragma_table_info('quarantine') WHERE name = 'format'");
  if (!known) await queries.exec('ALTER TABLE quarantine ADD COLUMN format TEXT');
};

/**
 * Creates what is missing and checks the version. `log_id` names this log for ever: a projection that was folded from
 * another log is recognised by it and rebuilt. Throws FatalError for a log from a newer version of the service.
 */
export const prepareLog = async (database: Database): Promise<{ logId: string }> => {
  const tables = await database.all<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table'");
  if (tables.length > 0 && !tables.some(({ name }) => name === 'event')) {
    const names = tables.map(({ name }) => name).join(', ');
    throw new FatalError(`${database.path} holds something else than an event log (${names}): name another file`);
  }
  await database.transaction(async (queries) => {
    await queries.exec(schema);
    await addFormat(queries);
    await queries.run(`INSERT OR IGNORE INTO meta VALUES ('version', ?), ('log_id', ?)`, [
      String(logVersion),
      randomUUID(),
    ]);
  });
  return readLogMeta(database);
};

/** Checks version and identity of an existing log without writing to it. */
export const readLogMeta = async (database: Pick<Database, 'all' | 'path'>): Promise<{ logId: string }> => {
  const rows = await database.all<{ name: string; value: string }>('SELECT name, value FROM meta');
  const meta = new Map(rows.map((row) => [row.name, row.value]));
  const version = Number(meta.get('version'));
  if (!(version <= logVersion)) {
    throw new FatalError(
      `${database.path} was written by a newer version of the service (format ${version}, this one knows ${logVersion}): upgrade, or name another folder`,
    );
  }
  return { logId: meta.get('log_id') ?? '' };
};
