import type { Queries } from '../storage/database.ts';

/** Paths of the files whose key differs from their path, by key. */
export const pathsByKey = async (queries: Queries): Promise<ReadonlyMap<string, string>> => {
  const rows = await queries.all<{ path: string; key: string }>('SELECT path, key FROM file WHERE key IS NOT NULL');
  return new Map(rows.map(({ key, path }) => [key, path]));
};
