import { FatalError, RetryableError } from '../../src/errors.ts';
import { type Database, openDatabase } from '../../src/storage/database.ts';
import type { Faults } from './chance.ts';

/** From now on some commits of this database fail at their very end: what they wrote is rolled back. */
export const failAtCommits = (database: Database, faults: Faults): void => {
  const { transaction, run } = database;
  const strike = (): void => {
    if (faults.strikes('disk full at a commit', 0.005)) throw new FatalError('no space left');
    if (faults.strikes('database busy at a commit', 0.01)) throw new RetryableError('the database is locked');
  };
  database.transaction = (work) =>
    transaction(async (queries) => {
      const result = await work(queries);
      strike();
      return result;
    });
  database.run = async (sql, parameters) => {
    strike();
    return run(sql, parameters);
  };
};

/** Runs `work` while the disk of this database may be full, or another process may hold it. */
export const underFaults = async <T>(database: Database, faults: Faults, work: () => Promise<T>): Promise<T> => {
  const full = faults.strikes('disk full', 0.02);
  if (full) await database.exec('PRAGMA max_page_count = 1');
  const other = faults.strikes('database locked by another process', 0.02)
    ? await openDatabase({ path: database.path, mode: 'write' })
    : undefined;
  if (other) await database.exec('PRAGMA busy_timeout = 0');
  await other?.exec('BEGIN IMMEDIATE');
  try {
    return await work();
  } finally {
    await other?.exec('ROLLBACK');
    await other?.close();
    if (other) await database.exec('PRAGMA busy_timeout = 5000');
    if (full) await database.exec('PRAGMA max_page_count = 1073741823');
  }
};
