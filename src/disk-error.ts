import { codeOf, FatalError, messageOf } from './errors.ts';

const meanings: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the disk: free some, nothing was lost',
  EDQUOT: 'the quota of the disk is used up: free some space, nothing was lost',
  EFBIG: 'the file may not grow any more: check the limits of the process and of the file system',
  EIO: 'the disk failed: check it before you go on',
  EROFS: 'the file system is read-only: mount it for writing, or set DATA_DIR to another folder',
  EACCES: 'permission denied: check the owner and the permissions of DATA_DIR',
  EPERM: 'permission denied: check the owner and the permissions of DATA_DIR',
  ENOTDIR: 'a file stands where a folder must be: move it away, or set DATA_DIR to another folder',
  EEXIST: 'a file stands where a folder must be: move it away, or set DATA_DIR to another folder',
  EMFILE: 'too many files are open: raise the limit of the process (ulimit -n)',
  ENFILE: 'too many files are open on this machine',
};

/** What an error of the file system means to the caller: a FatalError that names the file and what to do. */
export const asDiskError = (error: unknown, path: string): unknown => {
  const meaning = meanings[codeOf(error)];
  return meaning === undefined ? error : new FatalError(`cannot write ${path}: ${meaning}`, { cause: error });
};

const unread: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file: what stands above it is no folder',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
};

/** Why a file could not be read: a FatalError that names it. */
export const asReadError = (error: unknown, path: string): FatalError =>
  new FatalError(`cannot read ${path}: ${unread[codeOf(error)] ?? messageOf(error)}`, { cause: error });

/** Runs `work` and throws what its errors mean. */
export const onDisk = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw asDiskError(error, path);
  }
};
