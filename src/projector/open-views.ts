import { existsSync, statSync } from 'node:fs';
import { codeOf, FatalError, messageOf } from '../errors.ts';
import { type Database, type OpenOptions, openDatabase, removeDatabase } from '../storage/database.ts';
import { type ProjectionMeta, readMeta, whyForeign } from './meta.ts';

/** Views and how far they are folded; nothing is where nothing of use was there. */
export type Views = { readonly database: Database; readonly meta: ProjectionMeta | undefined };

type How = Pick<OpenOptions, 'synchronous' | 'journal' | 'cacheKib' | 'attach'>;

/**
 * Opens the views for their one writer. What cannot be folded on (damaged, of another version, of another log or of
 * events that it does not hold) is dropped, since the log holds everything. Throws FatalError for a file that never held views.
 */
export const openViews = async (
  path: string,
  how: How,
  log: Parameters<typeof whyForeign>[1],
  onDropped: (reason: string) => void = () => undefined,
): Promise<Views> => {
  const open = (): Promise<Database> => openDatabase({ ...how, path, mode: 'write' });
  const openAnew = async (reason: string): Promise<Views> => {
    onDropped(reason);
    await removeDatabase(path);
    return { database: await open(), meta: undefined };
  };
  let database: Database;
  try {
    database = await open();
  } catch (error) {
    // Any failure but damage leaves them as they are.
    if (!isDamaged(error) || !existsSync(path) || !statSync(path).isFile()) throw error;
    return openAnew(messageOf(error));
  }
  if (await isEmpty(database)) return { database, meta: undefined };
  const meta = await readMeta(database);
  const reason = meta ? await whyForeign(meta, log) : 'is of another version, or was never finished';
  if (reason === undefined) return { database, meta };
  await database.close();
  return openAnew(`${path} ${reason}`);
};

const isDamaged = (error: unknown): boolean => {
  const cause = error instanceof Error ? error.cause : undefined;
  return /^SQLITE_(NOTADB|CORRUPT)$/.test(codeOf(cause));
};

/** Whether a database holds nothing yet. Throws FatalError for one that never held views: it is somebody's, and must not be dropped. */
const isEmpty = async (database: Database): Promise<boolean> => {
  try {
    const names = (await database.all<{ name: string }>('SELECT name FROM sqlite_schema')).map(({ name }) => name);
    if (names.length === 0 || names.includes('file') || names.includes('mirror')) return names.length === 0;
    throw new FatalError(
      `${database.path} holds something else than projections (${names.slice(0, 3).join(', ')}): name another file in DATABASE_PATH`,
    );
  } catch (error) {
    await database.close();
    throw error;
  }
};

/** Throws FatalError where what lies at `path` must not be replaced by views. Views may be, in any state, and damage. */
export const insistReplaceable = async (path: string): Promise<void> => {
  if (!existsSync(path)) return;
  if (!statSync(path).isFile()) throw new FatalError(`${path} is no file: name another one in DATABASE_PATH`);
  try {
    const database = await openDatabase({ path, mode: 'read' });
    await isEmpty(database);
    await database.close();
  } catch (error) {
    if (!isDamaged(error)) throw error;
  }
};
