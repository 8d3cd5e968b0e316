import { existsSync } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import { asReadError } from '../disk-error.ts';
import { ConfigError } from '../errors.ts';
import { realPlaceOf } from './real-place.ts';

type Paths = Config['paths'];

const besideDatabase = ['-wal', '-shm', '-journal'];
/** What the service itself lays beside a database of its own. */
const besideOwn = ['.writer.lock', '.writer.json', '.rebuild'];

/** Where each file that the service cannot do without really lies, or may come to lie. */
const ownPlaces = async ({ data, log, projections }: Paths): Promise<string[]> => {
  // Where there is no folder yet, no link can lead there either.
  const placeOf = (path: string): Promise<string> => realPlaceOf(path).catch(() => resolve(path));
  const databases = await Promise.all([log, projections].map(placeOf));
  const locks = await Promise.all(['writer.lock', 'writer.json'].map((name) => placeOf(join(data, name))));
  return [...databases, ...databases.flatMap((path) => besideOwn.map((suffix) => path + suffix)), ...locks].flatMap(
    (path) => [path, ...besideDatabase.map((suffix) => path + suffix)],
  );
};

/** Whether a file is an SQLite database, or its journal. */
const isOfDatabase = async (path: string): Promise<boolean> => {
  const suffix = besideDatabase.find((one) => path.endsWith(one));
  if (suffix !== undefined && (await isOfDatabase(path.slice(0, -suffix.length)))) return true;
  if (!(await stat(path).catch(() => undefined))?.isFile()) return false;
  const file = await open(path, 'r').catch((error: unknown) => {
    throw asReadError(error, path);
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0);
    return buffer.toString('latin1', 0, bytesRead) === 'SQLite format 3\0';
  } finally {
    await file.close();
  }
};

/**
 * Where a file that a command is to write for its user really lies, or will lie: links are followed. `flag` is what the
 * user named it by. Throws ConfigError where writing would replace what is no regular file, a file that the service needs,
 * or a database, and FatalError where its folder is missing.
 */
export const outputPlace = async (path: string, flag: string, paths: Paths): Promise<string> => {
  const place = await realPlaceOf(path);
  const there = await stat(place).catch(() => undefined);
  if (there?.isDirectory()) throw new ConfigError(`${flag}: ${place} is a folder: name a file in it`);
  if (there && !there.isFile()) {
    throw new ConfigError(
      `${flag}: ${place} is no regular file: name another one, or redirect standard output to a pipe or a device`,
    );
  }
  if ((await ownPlaces(paths)).includes(place) || (await isOfDatabase(place)))
    throw new ConfigError(`${flag}: ${place} belongs to this service or to a database: name another file`);
  return place;
};

/** Throws ConfigError for a folder that holds, at any depth, a file that the service needs. */
export const insistHoldsNothingOwn = async (folder: string, flag: string, paths: Paths): Promise<void> => {
  const place = await realpath(folder).catch(() => folder);
  for (const own of await ownPlaces(paths)) {
    if (!existsSync(own) || !isBeneath(own, place)) continue;
    throw new ConfigError(
      `${flag}: ${place} holds ${own}, which the file manager would take for a file of its own: name another folder`,
    );
  }
};

const isBeneath = (path: string, folder: string): boolean =>
  path === folder || (dirname(path) !== path && isBeneath(dirname(path), folder));
