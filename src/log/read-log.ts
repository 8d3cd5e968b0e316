import { existsSync } from 'node:fs';
import type { Recorded } from '../../events/event.ts';
import { FatalError } from '../errors.ts';
import { type Database, openDatabase, type Queries } from '../storage/database.ts';
import { eventColumnList } from './columns.ts';
import { type EventRow, eventOf } from './rows.ts';
import { isLogBegun, readLogMeta } from './schema.ts';
import type { Place } from './window.ts';

export type Log = {
  readonly database: Database;
  readonly logId: string;
  /** Offset of the newest event; 0 while the log is empty. */
  last(): Promise<number>;
  /** One page of events from `from` (inclusive) up to `to`, in offset order. */
  read(from: number, to: number, limit: number): Promise<readonly Recorded[]>;
  close(): Promise<void>;
};

const readPage = async (database: Queries, from: number, to: number, limit: number): Promise<Recorded[]> => {
  const rows = await database.all<EventRow>(
    `SELECT ${eventColumnList} FROM event WHERE "offset" BETWEEN ? AND ? ORDER BY "offset" LIMIT ?`,
    [from, to, limit],
  );
  return rows.map(eventOf);
};

export const lastRow = async (database: Queries): Promise<Place> =>
  (await database.get<Place>('SELECT "offset", checksum FROM event ORDER BY "offset" DESC LIMIT 1')) ?? {
    offset: 0,
    checksum: 0,
  };

/** Checksum of the log at an offset, 0 before the first event; undefined where the log does not reach so far. */
export const checksumAt = async (queries: Pick<Queries, 'get'>, offset: number): Promise<number | undefined> =>
  offset === 0
    ? 0
    : (await queries.get<{ checksum: number }>('SELECT checksum FROM event WHERE "offset" = ?', [offset]))?.checksum;

export const reading = (database: Database, logId: string): Log => ({
  database,
  logId,
  last: async () => (await lastRow(database)).offset,
  read: (from, to, limit) => readPage(database, from, to, limit),
  close: () => database.close(),
});

/** Opens a log to be read beside a running writer; undefined where none was made yet. Throws FatalError for anything else. */
export const findLog = async (path: string): Promise<Log | undefined> => {
  if (!existsSync(path)) return undefined;
  const database = await openDatabase({ path, mode: 'read' });
  try {
    if (await isLogBegun(database)) return reading(database, (await readLogMeta(database)).logId);
  } catch (error) {
    await database.close();
    throw error;
  }
  await database.close();
  return undefined;
};

/** The same where one must be there: throws FatalError when there is none. */
export const openLogForReading = async (path: string): Promise<Log> => {
  const log = await findLog(path);
  if (!log) throw new FatalError(`there is no event log ${path}`);
  return log;
};
