import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, DamageError, DiskFullError, FatalError, messageOf, RetryableError } from '../errors.ts';

const remedy = "'s3-sync replay' builds projections anew, a log comes from a backup";

const noSpace = (cause: unknown, path: string): DiskFullError =>
  new DiskFullError(`no space left for ${path}: free disk space, nothing was lost`, { cause });

/** Bytes below which nothing of SQLite's can grow: it asks for that many at once. */
const growthBytes = 32 * 1024;

/** Whether the file system of a file has next to no room left. */
const isFull = (path: string): boolean => {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize < growthBytes;
  } catch {
    return false;
  }
};

/** What SQLite's error code asks of the caller. `path` names the file in the message. */
export const asServiceError = (error: unknown, path: string): unknown => {
  const text = messageOf(error).replace(/^SQLITE_\w+: /, '');
  switch (codeOf(error)) {
    case 'SQLITE_BUSY':
    case 'SQLITE_LOCKED':
      return new RetryableError(`${path} is locked by another process: ${text}`, { cause: error });
    case 'SQLITE_FULL':
      return noSpace(error, path);
    case 'SQLITE_NOTADB':
      return new DamageError(`${path} is no SQLite database: move it away, or name another file`, { cause: error });
    case 'SQLITE_CORRUPT':
      // A disk that fails to read a page looks the same to SQLite.
      return new DamageError(`${path} is damaged, or its disk fails (${text}): check the disk; ${remedy}`, {
        cause: error,
      });
    case 'SQLITE_CANTOPEN':
      return new FatalError(
        `cannot open ${path}: check that the folder exists and may be written, and that the process may open more files (ulimit -n)`,
        { cause: error },
      );
    case 'SQLITE_READONLY':
      return new FatalError(`${path} is read-only: check its permissions and the folder's`, { cause: error });
    case 'SQLITE_IOERR':
      // Where the file beside the database that its readers and writer share cannot grow, SQLite tells no more than this.
      if (isFull(path)) return noSpace(error, path);
      return new FatalError(`the disk failed while using ${path}: ${text}`, { cause: error });
    case 'SQLITE_PROTOCOL':
      return new RetryableError(`${path} cannot be locked now: ${text}`, { cause: error });
    default:
      // A statement that the tables do not take will not be taken the next time either.
      return codeOf(error).startsWith('SQLITE_')
        ? new DamageError(`${path} does not take a statement: ${text} (${codeOf(error)}); ${remedy}`, { cause: error })
        : error;
  }
};
