import { type ProjectionMeta, readMeta } from '../projector/meta.ts';
import { type Database, openDatabase } from '../storage/database.ts';

/** The live projections, open for reading beside their writer; undefined when they are of another version or another log. */
export const openProjections = async (
  path: string,
  logId: string,
): Promise<{ database: Database; meta: ProjectionMeta } | undefined> => {
  const database = await openDatabase({ path, mode: 'read', cacheKib: 2_048 });
  const meta = await readMeta(database);
  if (meta?.logId === logId) return { database, meta };
  await database.close();
  return undefined;
};
