import { existsSync } from 'node:fs';
import { access, constants, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk } from '../disk-error.ts';
import { type Holder, RetryableError } from '../errors.ts';
import { openDatabase } from '../storage/database.ts';

/** Resolves with what gives the lock back; throws RetryableError while another process has it, for as long as is waited. */
export const takeLock = async (path: string, busyTimeoutMs = 250): Promise<() => Promise<void>> => {
  // Nothing is ever written to it: without a journal it stays empty, and needs no room on a disk that is full.
  const database = await openDatabase({ path, mode: 'write', journal: 'OFF', busyTimeoutMs });
  try {
    // SQLite makes a read transaction of it where it may not write, and that locks nobody out.
    await onDisk(path, () => access(path, constants.W_OK));
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

/** Whom a lock was last taken by; undefined when it cannot be told. */
export const holderOf = (name: string): Promise<Holder | undefined> =>
  readFile(`${name}.json`, 'utf8')
    .then((text) => JSON.parse(text) as Holder)
    .catch(() => undefined);

/** The name of a data folder's lock. */
export const writerOf = (folder: string): string => join(folder, 'writer');

/** Whether a process is the folder's writer at this moment. */
export const isHeld = async (folder: string, waitedMs?: number): Promise<boolean> => {
  try {
    const release = await takeLock(`${writerOf(folder)}.lock`, waitedMs);
    await release();
    return false;
  } catch (error) {
    if (error instanceof RetryableError) return true;
    throw error;
  }
};

/** Long enough for another one that only looks. */
const lookMs = 20;

/**
 * The folder's writer at this moment, with what is known of it; null where there is none, undefined where this user may not
 * know.
 */
export const writerNow = async (folder: string): Promise<Partial<Holder> | null | undefined> => {
  // To take the lock would make its file.
  if (!existsSync(`${writerOf(folder)}.lock`)) return null;
  const held = await isHeld(folder, lookMs).catch(() => undefined);
  return held ? ((await holderOf(writerOf(folder))) ?? {}) : held === false ? null : undefined;
};
