import { readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, FatalError } from '../errors.ts';

/**
 * Where a database really lies, or will lie once it is made: SQLite follows links, and so must whoever locks or replaces
 * the file. What is no file (a device) stays as it is named. Throws FatalError when its folder is missing.
 */
export const realPlaceOf = async (path: string): Promise<string> => {
  const cannotOpen = (cause: unknown): never => {
    throw new FatalError(`cannot open ${path}: check that the folder exists and may be entered`, { cause });
  };
  const there = await stat(path).catch((error: unknown) =>
    codeOf(error) === 'ENOENT' ? undefined : cannotOpen(error),
  );
  if (there) return there.isFile() ? realpath(path) : path;
  const target = await readlink(path).catch(() => undefined);
  // A relative target leads on from where the folder really lies, whatever links lead to the folder.
  const folder = await realpath(dirname(path)).catch(cannotOpen);
  return target === undefined ? join(folder, basename(path)) : realPlaceOf(resolve(folder, target));
};
