import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk } from '../disk-error.ts';
import { FolderInUseError, RetryableError } from '../errors.ts';
import { makeFolder } from '../make-folder.ts';
import { openDatabase } from '../storage/database.ts';

export type WriterLock = { release(): Promise<void> };

/** Resolves with what gives the lock back; throws RetryableError while another process has it. */
const takeLock = async (folder: string): Promise<() => Promise<void>> => {
  const database = await openDatabase({ path: join(folder, 'writer.lock'), mode: 'write', busyTimeoutMs: 250 });
  try {
    await database.exec('BEGIN IMMEDIATE');
  } catch (error) {
    await database.close();
    throw error;
  }
  return async () => {
    await database.exec('ROLLBACK');
    await database.close();
  };
};

/**
 * One writer a data folder. The lock is SQLite's own write lock on `writer.lock`, which the operating system takes back
 * when the process ends, however it ends: there is no pid to go stale or to be reused. `writer.json` beside it only names
 * the holder for the message. Throws FolderInUseError that names the holder.
 */
export const lockDataFolder = async (folder: string, command: string): Promise<WriterLock> => {
  await onDisk(folder, () => makeFolder(folder));
  const holder = join(folder, 'writer.json');
  const release = await takeLock(folder).catch(async (error: unknown) => {
    if (!(error instanceof RetryableError)) throw error;
    const by = await readFile(holder, 'utf8').then(
      (text) => JSON.parse(text) as { command: string; pid: number; since: string },
      () => undefined,
    );
    throw new FolderInUseError(folder, by, { cause: error });
  });
  const named = JSON.stringify({ command, pid: process.pid, since: new Date().toISOString() });
  await onDisk(holder, () => writeFile(holder, named)).catch(async (error: unknown) => {
    await release();
    throw error;
  });
  return { release };
};

/** Whether a process is the folder's writer at this moment. */
export const isHeld = async (folder: string): Promise<boolean> => {
  try {
    const release = await takeLock(folder);
    await release();
    return false;
  } catch (error) {
    if (error instanceof RetryableError) return true;
    throw error;
  }
};
