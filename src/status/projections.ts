import { existsSync } from 'node:fs';
import type { Log } from '../log/read-log.ts';
import { type ProjectionMeta, readMeta, whyForeign } from '../projector/meta.ts';
import { type Database, openDatabase } from '../storage/database.ts';

/**
 * The live projections, open for reading beside their writer; undefined when there are none, or they are of another version,
 * or of other events than the log's.
 */
export const openProjections = async (
  path: string,
  log: Pick<Log, 'logId' | 'database'>,
): Promise<{ database: Database; meta: ProjectionMeta } | undefined> => {
  if (!existsSync(path)) return undefined;
  const database = await openDatabase({ path, mode: 'read', cacheKib: 2_048 });
  const meta = await readMeta(database);
  if (meta && (await whyForeign(meta, log)) === undefined) return { database, meta };
  await database.close();
  return undefined;
};
