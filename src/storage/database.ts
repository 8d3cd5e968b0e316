import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { open, type Statement } from 'sqlite';
import sqlite3 from 'sqlite3';
import { asServiceError } from './errors.ts';
import { type Insertion, statementsFor } from './insertion.ts';

/**
 * The one door to SQLite.
 *
 * Two async flows on one connection would share a transaction: an insert that has resolved in one vanishes in the other's
 * rollback. So each connection has one queue: a call waits for the transaction before it, and a transaction's own calls
 * go through the handle that it is given.
 *
 * Statements stay prepared: each run is one way to the driver's thread and back, and not two with this thread in between,
 * so that SQLite goes on while this thread works.
 *
 * Keys to look up go through `json_each(?)`, one statement for all; rows to insert are literals (see insertion.ts).
 * The driver binds numbers beyond int32 as REAL, BigInt and undefined as NULL; `checked` refuses what would be changed.
 */
export type SqlValue = string | number | Buffer | null;

export type Queries = {
  all<T>(sql: string, parameters?: readonly SqlValue[]): Promise<T[]>;
  get<T>(sql: string, parameters?: readonly SqlValue[]): Promise<T | undefined>;
  /** Runs one statement; resolves with the number of rows it changed. */
  run(sql: string, parameters?: readonly SqlValue[]): Promise<number>;
  /** Inserts many rows. Only within a transaction are they all inserted or none. */
  insert(rows: Insertion): Promise<void>;
  /** Runs a script of several statements, without parameters. */
  exec(sql: string): Promise<void>;
};

export type Database = Queries & {
  readonly path: string;
  /** Runs `work` between BEGIN IMMEDIATE and COMMIT; anything thrown rolls back and is thrown on. */
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  /** Runs `work` on one consistent state of the database, whatever other connections commit meanwhile. */
  reading<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

export type OpenOptions = {
  readonly path: string;
  /** `read` never creates a file and never takes a write lock. */
  readonly mode: 'write' | 'read';
  /** FULL: a commit survives power loss. NORMAL: it may be lost, the file stays sound. */
  readonly synchronous?: 'FULL' | 'NORMAL' | 'OFF';
  /** OFF: a file that is worth nothing before it is finished. A crash, or a statement that fails, leaves it damaged. */
  readonly journal?: 'WAL' | 'OFF';
  /** Page cache of the connection in KiB. */
  readonly cacheKib?: number;
  /** Further databases, opened read-only under a schema name each. */
  readonly attach?: Readonly<Record<string, string>>;
  /** How long a statement waits for another process's lock. */
  readonly busyTimeoutMs?: number;
};

const checked = (parameters: readonly SqlValue[] = []): SqlValue[] =>
  parameters.map((value, index) => {
    if (value === undefined || typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) {
      throw new TypeError(`SQL parameter ${index + 1} is ${String(value)}: the driver would bind it as NULL`);
    }
    return value;
  });

/** Statements that a connection keeps: more than any part of the service uses in turn. */
const statementsMax = 64;

/** Opens a database file. Throws DamageError when it is no database or damaged, FatalError when it cannot be opened. */
export const openDatabase = async (options: OpenOptions): Promise<Database> => {
  const { path, mode, synchronous = 'FULL', journal = 'WAL', cacheKib = 16_384, busyTimeoutMs = 5_000 } = options;
  const flags = mode === 'read' ? sqlite3.OPEN_READONLY : sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE;
  const uri = sqlite3.OPEN_URI;
  const guarded = async <T>(call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      throw asServiceError(error, path);
    }
  };
  const connection = await guarded(() => open({ filename: path, driver: sqlite3.Database, mode: flags | uri }));

  /** By their text, the one used last at the end. */
  const statements = new Map<string, Statement>();
  /** After its calls under way. One that was ended before is ended. */
  const end = (statement: Statement): Promise<void> => statement.finalize().catch(() => undefined);
  const keep = (sql: string, statement: Statement): void => {
    const twin = statements.get(sql);
    statements.delete(sql);
    statements.set(sql, statement);
    if (twin && twin !== statement) void end(twin);
    const [oldest] = statements;
    if (statements.size <= statementsMax || !oldest) return;
    statements.delete(oldest[0]);
    void end(oldest[1]);
  };
  /** One that is prepared begins at once, before the caller goes on. */
  const using = async <T>(sql: string, call: (statement: Statement) => Promise<T>): Promise<T> => {
    const statement = statements.get(sql) ?? (await connection.prepare(sql));
    keep(sql, statement);
    try {
      return await call(statement);
    } catch (error) {
      // One that failed stays under way until it is reset, and no transaction commits before.
      if (statements.get(sql) === statement) statements.delete(sql);
      await end(statement);
      throw error;
    }
  };

  const direct: Queries = {
    all: (sql, parameters) => guarded(() => using(sql, (statement) => statement.all(checked(parameters)))),
    // The driver's own `get` leaves a statement open after its first row, and with it a read transaction.
    get: async <T>(sql: string, parameters?: readonly SqlValue[]) => (await direct.all<T>(sql, parameters))[0],
    run: (sql, parameters) =>
      guarded(async () => (await using(sql, (statement) => statement.run(checked(parameters)))).changes ?? 0),
    insert: (rows) => runAll(statementsFor(rows)),
    exec: (sql) => guarded(() => connection.exec(sql)),
  };

  const runAll = async (inserting: ReturnType<typeof statementsFor>): Promise<void> => {
    for (const { sql, parameters } of inserting) {
      // `exec` prepares and runs in one go.
      if (parameters.length === 0) await direct.exec(sql);
      else await direct.run(sql, parameters);
    }
  };

  let tail: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  /** What nothing is before begins at once. */
  const queued = <T>(work: () => Promise<T>): Promise<T> => {
    waiting += 1;
    const result = waiting === 1 ? work() : tail.then(work);
    const done = (): void => {
      waiting -= 1;
    };
    tail = result.then(done, done);
    return result;
  };

  try {
    await direct.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA cache_size = -${cacheKib};`);
    if (mode === 'write') {
      await direct.exec(
        `PRAGMA journal_mode = ${journal}; PRAGMA synchronous = ${synchronous}; PRAGMA foreign_keys = ON;`,
      );
    } else {
      await direct.get('SELECT 1 FROM sqlite_schema LIMIT 1');
    }
    for (const [schema, file] of Object.entries(options.attach ?? {})) {
      await direct.run(`ATTACH ? AS ${schema}`, [`${pathToFileURL(resolve(file))}?mode=ro`]);
    }
  } catch (error) {
    await connection.close();
    throw error;
  }

  return {
    path,
    all: (sql, parameters) => queued(() => direct.all(sql, parameters)),
    get: (sql, parameters) => queued(() => direct.get(sql, parameters)),
    run: (sql, parameters) => queued(() => direct.run(sql, parameters)),
    insert: (rows) => {
      // Made now, while SQLite is at what waits before it.
      const inserting = statementsFor(rows);
      return queued(() => runAll(inserting));
    },
    exec: (sql) => queued(() => direct.exec(sql)),
    reading: (work) =>
      queued(async () => {
        await direct.exec('BEGIN');
        try {
          return await work(direct);
        } finally {
          await direct.exec('COMMIT');
        }
      }),
    transaction: (work) =>
      queued(async () => {
        await direct.exec('BEGIN IMMEDIATE');
        try {
          const result = await work(direct);
          await direct.exec('COMMIT');
          return result;
        } catch (error) {
          // SQLITE_FULL and a few others have rolled back already; then there is no transaction left to end.
          await direct.exec('ROLLBACK').catch(() => undefined);
          throw error;
        }
      }),
    close: () =>
      queued(() =>
        guarded(async () => {
          for (const statement of statements.values()) await end(statement);
          await connection.close();
        }),
      ),
  };
};

/** Removes a database that nobody has open. */
export const removeDatabase = async (path: string): Promise<void> => {
  for (const suffix of ['', '-wal', '-shm']) await rm(path + suffix, { force: true });
};
