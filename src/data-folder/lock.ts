import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FatalError, RetryableError } from '../errors.ts';
import { openDatabase } from '../storage/database.ts';

export type WriterLock = { release(): Promise<void> };

/**
 * One writer a data folder. The lock is SQLite's own write lock on `writer.lock`, which the operating system takes back
 * when the process ends, however it ends: there is no pid to go stale or to be reused. `writer.json` beside it only names
 * the holder for the message. Throws FatalError that names the holder.
 */
export const lockDataFolder = async (folder: string, command: string): Promise<WriterLock> => {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw new FatalError(`cannot create the data folder ${folder}: check DATA_DIR and its permissions`, {
      cause: error,
    });
  });
  const holder = join(folder, 'writer.json');
  let database: Awaited<ReturnType<typeof openDatabase>> | undefined;
  try {
    database = await openDatabase({ path: join(folder, 'writer.lock'), mode: 'write', busyTimeoutMs: 250 });
    await database.exec('BEGIN IMMEDIATE');
  } catch (error) {
    await database?.close();
    if (!(error instanceof RetryableError)) throw error;
    const by = await readFile(holder, 'utf8').then(
      (text) => JSON.parse(text) as Record<string, unknown>,
      () => undefined,
    );
    const who = by ? `'s3-sync ${by.command}' (pid ${by.pid}, since ${by.since})` : 'another process';
    throw new FatalError(
      `the data folder ${folder} is in use by ${who}: stop it first, or set DATA_DIR to another folder`,
      {
        cause: error,
      },
    );
  }
  await writeFile(holder, JSON.stringify({ command, pid: process.pid, since: new Date().toISOString() }));
  const held = database;
  return {
    release: async () => {
      await held.exec('ROLLBACK');
      await held.close();
    },
  };
};
