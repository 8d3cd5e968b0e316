import { constants, type Stats } from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { failpoint } from '../failpoint.ts';
import { onDisk, parentsOf, statOf } from './paths.ts';

/** Makes the entries of a folder durable: what was renamed into it survives a power cut. */
export const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** Renames and makes it durable on both sides. Replaces a file; the caller has moved a folder out of the way. */
export const renameDurably = async (from: string, to: string): Promise<void> => {
  failpoint('disk.rename.before');
  await rename(from, to);
  failpoint('disk.rename.unsynced');
  await syncFolder(dirname(to));
  if (dirname(from) !== dirname(to)) await syncFolder(dirname(from));
  failpoint('disk.rename.after');
};

/** Creates the folders above a path, one by one, so that each new name is durable. */
export const makeParents = async (root: string, path: string): Promise<void> => {
  for (const parent of parentsOf(path)) {
    const folder = onDisk(root, parent);
    if ((await statOf(folder)) !== undefined) continue;
    await mkdir(folder);
    await syncFolder(dirname(folder));
  }
};

/** Removes the folders above a path that hold nothing any more, the innermost first, down to the first that must stay. */
export const removeEmptyParents = async (
  root: string,
  path: string,
  keep: (folder: string) => Promise<boolean>,
): Promise<void> => {
  for (const parent of parentsOf(path).reverse()) {
    const folder = onDisk(root, parent);
    const stats = await statOf(folder);
    if (stats === undefined) continue;
    if ((await readdir(folder)).length > 0 || (await keep(parent))) return;
    await rmdir(folder);
  }
};

export const removeTree = (diskPath: string): Promise<void> => rm(diskPath, { recursive: true, force: true });

/** The mode that a permissions string stands for; undefined when it is opaque to the file system. */
export const modeOf = (permissions: string | null): number | undefined => {
  if (permissions === null || !/^0?[0-7]{3,4}$/.test(permissions)) return undefined;
  // Stored content never gets setuid, setgid or sticky bits, and the file manager must be able to read what it keeps.
  return (Number.parseInt(permissions, 8) & 0o777) | 0o400;
};

/** The permissions that a file has: those that were recorded, unless its mode on the disk is another one by now. */
export const permissionsOn = (stats: Stats, recorded: string | null, keepsModes: boolean): string | null => {
  const mode = modeOf(recorded);
  const found = stats.mode & 0o777;
  if (!keepsModes || mode === undefined || mode === found) return recorded;
  return `0${found.toString(8).padStart(3, '0')}`;
};

/** Whether the file system keeps the modes that it is given; not all do. `file` is made, and goes. */
export const keepsModes = async (file: string): Promise<boolean> => {
  const handle = await open(file, 'wx');
  try {
    for (const mode of [0o400, 0o751]) {
      await handle.chmod(mode);
      if (((await handle.stat()).mode & 0o777) !== mode) return false;
    }
    return true;
  } finally {
    await handle.close();
    await rm(file, { force: true });
  }
};

/** Applies a mode to a regular file without following a link. */
export const applyMode = async (diskPath: string, mode: number): Promise<void> => {
  const handle = await open(diskPath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    await handle.chmod(mode);
    failpoint('disk.mode');
  } finally {
    await handle.close();
  }
};

export const nothing = (): Readable => Readable.from([], { objectMode: false });

/** Opens a regular file without following a link: what takes its name meanwhile is another one. Destroy `body` in the end. */
export const openFile = async (diskPath: string): Promise<{ stats: Stats; body: Readable }> => {
  const handle = await open(diskPath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = await handle.stat();
    if (stats.size > 0) return { stats, body: handle.createReadStream({ start: 0, end: stats.size - 1 }) };
    await handle.close();
    return { stats, body: nothing() };
  } catch (error) {
    await handle.close();
    throw error;
  }
};

/** Tells whether the bytes are still those that were recorded: any write changes one of the three. */
export const stampOf = (stats: Stats): string => `${stats.ino}:${stats.size}:${stats.mtimeMs}`;
