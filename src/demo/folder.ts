import { lstat, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { lockDataFolder, type WriterLock } from '../data-folder/lock.ts';
import { FatalError, FolderInUseError } from '../errors.ts';

const usual = '.demo';
const lockFiles = ['writer.lock', 'writer.json'];

/**
 * Takes a folder for a demo alone, and empties it of what an earlier one has left. Throws FatalError while another demo has
 * it, and for a folder that holds anything else than a demo.
 */
export const takeDemoFolder = async (folder: string): Promise<WriterLock> => {
  await refuseAnother(folder);
  const lock = await lockDataFolder(folder, 'demo').catch((error: unknown) => {
    if (!(error instanceof FolderInUseError)) throw error;
    throw new FatalError(
      `${folder} is in use by ${error.holder}: end it first (Ctrl-C), or name another folder with --data-dir`,
      { cause: error },
    );
  });
  for (const name of await readdir(folder))
    if (!lockFiles.some((own) => name.startsWith(own))) await rm(join(folder, name), { recursive: true, force: true });
  return lock;
};

/**
 * Everything in the folder is about to go: it is new, was last a demo's, or has a demo's usual name. A link of that name
 * says nothing of the folder it leads to.
 */
const refuseAnother = async (folder: string): Promise<void> => {
  const isLink = await lstat(folder).then(
    (found) => found.isSymbolicLink(),
    () => false,
  );
  if (basename(folder) === usual && !isLink) return;
  const names = await readdir(folder).catch(() => []);
  const holder = await readFile(join(folder, 'writer.json'), 'utf8').catch(() => '');
  if (names.length === 0 || holder.includes('"command":"demo"')) return;
  throw new FatalError(`${folder} holds something else than a demo, and would be emptied: name a new folder`);
};
