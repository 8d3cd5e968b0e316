import { writeFile } from 'node:fs/promises';
import type { Config } from '../config/config.ts';
import { onDisk } from '../disk-error.ts';
import { ConfigError, FatalError, FolderInUseError, type Holder, nameOfHolder, RetryableError } from '../errors.ts';
import { makeFolder } from '../make-folder.ts';
import { openDatabase } from '../storage/database.ts';
import { realPlaceOf } from './real-place.ts';
import { holderOf, takeLock, writerOf } from './writer.ts';

export type WriterLock = { release(): Promise<void> };

/** The databases that have one writer each, by the settings that name them. */
const settings = { log: 'EVENT_LOG_PATH', projections: 'DATABASE_PATH' } as const;

export type Guarded = keyof typeof settings;

/** `places`: where the files really lie. */
export type WritingLock = WriterLock & { readonly places: Readonly<Record<Guarded, string>> };

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
