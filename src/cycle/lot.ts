import type { Queries } from '../storage/database.ts';

/**
 * So many of the paths that differ are planned in one cycle, beside those that a file leaves: each takes nearly two
 * kilobytes until it is carried out, and a bucket that is taken over has millions.
 */
export const lotMost = 250_000;

export type Lot = {
  /** The table that names the paths of the cycle. */
  readonly only: 'dirty' | 'lot';
  /** Paths that differ, and come in a later cycle. */
  readonly later: number;
  /** Where the next cycle goes on; left out where it begins anew. */
  readonly upTo?: string;
};

/**
 * A file leaves its place where another one is wanted there, or none. Of one of which nothing is known (`unknownAt`) nobody
 * can tell; it is saved over, like one that has changed.
 */
const leaving = `
  INSERT INTO lot (path)
  SELECT d.path FROM dirty AS d CROSS JOIN mirror AS m USING (path) LEFT JOIN file AS f USING (path)
  WHERE f.path IS NULL OR f.file_id <> m.file_id AND m.file_id <> 0`;

/** What a file that leaves may have been renamed to, as the planner pairs them; of more than one, all, since it refuses ties. */
const renamed = `
  INSERT OR IGNORE INTO lot (path)
  SELECT d.path FROM dirty AS d CROSS JOIN file AS f USING (path)
  WHERE f.file_id IN (SELECT m.file_id FROM lot CROSS JOIN mirror AS m USING (path))
     OR (f.size, f.etag) IN (SELECT m.size, m.etag FROM lot CROSS JOIN mirror AS m USING (path) WHERE m.size > 0)`;

/** A file gives way to what comes beneath its name: one path there is enough to have its delete judged with the others. */
const givingWay = `
  INSERT OR IGNORE INTO lot (path)
  SELECT path FROM (
    SELECT (SELECT path FROM dirty WHERE path >= m.path || '/' AND path < m.path || '0' LIMIT 1) AS path FROM mirror AS m)
  WHERE path IS NOT NULL`;

const others = `
  INSERT INTO lot
  SELECT path, 1 FROM dirty WHERE path > ? AND path NOT IN (SELECT path FROM lot) ORDER BY path LIMIT ?`;

const countOf = async (queries: Queries, table: Lot['only']): Promise<number> =>
  (await queries.get<{ paths: number }>(`SELECT count(*) AS paths FROM ${table}`))?.paths ?? 0;

/**
 * Draws the paths that a cycle plans, `most` of them behind `after`, in the order of paths; the cycle after the last one
 * begins anew, so that what cannot be carried over keeps nothing waiting. What a file leaves is always there, with all that
 * it may have been renamed to: of half a rename nobody would see that it is one.
 */
export const drawLot = async (queries: Queries, after = '', most = lotMost): Promise<Lot> => {
  const differing = await countOf(queries, 'dirty');
  if (differing <= most) return { only: 'dirty', later: 0 };
  await queries.exec(
    `CREATE TEMP TABLE IF NOT EXISTS lot (path TEXT PRIMARY KEY, in_turn INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
     DELETE FROM lot;`,
  );
  if ((await queries.run(leaving)) > 0) await queries.run(renamed);
  await queries.run(givingWay);
  if ((await queries.run(others, [after, most])) === 0) await queries.run(others, ['', most]);
  const { upTo } =
    (await queries.get<{ upTo: string | null }>('SELECT max(path) AS upTo FROM lot WHERE in_turn')) ?? {};
  const later = differing - (await countOf(queries, 'lot'));
  return { only: 'lot', later, ...(typeof upTo === 'string' && { upTo }) };
};
