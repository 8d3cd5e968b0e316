import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { codeOf, FatalError } from './errors.ts';

/**
 * Throws FatalError where a file stands at a folder's path, or above it; that nothing is there is no error. `setting` names
 * what the user chose the path by.
 */
export const insistNoFileAt = async (folder: string, setting: string): Promise<void> => {
  const there = await stat(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOTDIR') return 'no folder above';
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (there === undefined || (typeof there === 'object' && there.isDirectory())) return;
  throw new FatalError(
    `${folder} cannot be a folder, a file stands there or above it: move it away, or set ${setting} to another folder`,
  );
};

const isFolder = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
};

/**
 * Makes a folder and those above it, one step at a time. Node's own recursive `mkdir` never returns where a file system
 * answers ENOENT although the parent is there, as /proc does: here that is a FatalError. Other errors come as they are.
 * A crash leaves the folders made so far.
 */
export const makeFolder = async (folder: string): Promise<void> => {
  const missing: string[] = [];
  let at = resolve(folder);
  for (; !(await isFolder(at)) && dirname(at) !== at; at = dirname(at)) missing.push(at);
  for (const path of missing.reverse()) {
    try {
      await mkdir(path);
    } catch (error) {
      if (codeOf(error) === 'EEXIST' && (await isFolder(path))) continue;
      if (codeOf(error) !== 'ENOENT') throw error;
      throw new FatalError(`cannot create ${folder}: ${dirname(path)} takes no folders; choose another place`, {
        cause: error,
      });
    }
  }
};
