import { existsSync } from 'node:fs';
import { access, constants, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { onDisk } from '../disk-error.ts';
import { ConfigError, FatalError, FolderInUseError, type Holder, nameOfHolder, RetryableError } from '../errors.ts';
import { makeFolder } from '../make-folder.ts';
import { openDatabase } from '../storage/database.ts';
import { realPlaceOf } from './real-place.ts';

export type WriterLock = { release(): Promise<void> };

/** The databases that have one writer each, by the settings that name them. */
const settings = { log: 'EVENT_LOG_PATH', projections: 'DATABASE_PATH' } as const;

export type Guarded = keyof typeof settings;

/** `places`: where the files really lie. */
export type WritingLock = WriterLock & { readonly places: Readonly<Record<Guarded, string>> };

/** Resolves with what gives the lock back; throws RetryableError while another process has it, for as long as is waited. */
const takeLock = async (path: string, busyTimeoutMs = 250): Promise<() => Promise<void>> => {
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
const holderOf = (name: string): Promise<Holder | undefined> =>
  readFile(`${name}.json`, 'utf8').then(
    (text) => JSON.parse(text) as Holder,
    () => undefined,
  );

/**
 * The lock is SQLite's own write lock on `NAME.lock`, which the operating system takes back when the process ends, however
 * it ends: there is no pid to go stale or to be reused. `NAME.json` beside it only names the holder for the message, which
 * `inUse` makes. `database` is the file that it stands for.
 */
const lock = async (
  name: string,
  command: string,
  inUse: (by: Holder | undefined, options: ErrorOptions) => FatalError,
  database?: string,
): Promise<WriterLock> => {
  const release = await takeLock(`${name}.lock`).catch(async (error: unknown) => {
    if (!(error instanceof RetryableError)) {
      // Where the database cannot be opened either, that is what is told.
      if (database !== undefined) await (await openDatabase({ path: database, mode: 'read' })).close();
      throw error;
    }
    throw inUse(await holderOf(name), { cause: error });
  });
  const named = JSON.stringify({ command, pid: process.pid, since: new Date().toISOString() });
  const holder = `${name}.json`;
  await onDisk(holder, () => writeFile(holder, named)).catch(async (error: unknown) => {
    await release();
    throw error;
  });
  return { release };
};

const writerOf = (folder: string): string => join(folder, 'writer');

/** One writer a data folder. Throws FolderInUseError that names the holder. */
export const lockDataFolder = async (folder: string, command: string): Promise<WriterLock> => {
  await onDisk(folder, () => makeFolder(folder));
  return lock(writerOf(folder), command, (by, options) => new FolderInUseError(folder, by, options));
};

/**
 * Locks a data folder and databases, all or none. The lock of a database lies where the file does, so that neither another
 * data folder nor another name leads past it. Throws FolderInUseError, FatalError that names the holder of a database, or
 * ConfigError where log and projections are one file: the log would be dropped, or replaced, as projections are.
 */
export const lockForWriting = async (
  paths: Config['paths'],
  databases: readonly Guarded[],
  command: string,
): Promise<WritingLock> => {
  const held = [await lockDataFolder(paths.data, command)];
  const release = async (): Promise<void> => {
    for (const { release } of [...held].reverse()) await release();
  };
  try {
    const places = { log: await realPlaceOf(paths.log), projections: await realPlaceOf(paths.projections) };
    if (places.log === places.projections) {
      throw new ConfigError(
        `${settings.log} and ${settings.projections} lead to one file, ${places.log}: name another file in ${settings.projections}`,
      );
    }
    for (const name of databases) {
      const inUse = (by: Holder | undefined, options: ErrorOptions): FatalError =>
        new FatalError(
          `${paths[name]} is in use by ${nameOfHolder(by)}: stop it first, or name another file in ${settings[name]}`,
          options,
        );
      held.push(await lock(`${places[name]}.writer`, command, inUse, paths[name]));
    }
    return { release, places };
  } catch (error) {
    await release();
    throw error;
  }
};

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
