import { foldersAround } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import { endOfFolder } from '../../projections/store.ts';
import type { Change, Unplaceable } from '../plan/operation.ts';
import { blockedRow } from '../plan/placeable.ts';
import type { PlanOptions } from '../plan/plan.ts';
import type { Queries } from '../storage/database.ts';
import type { OpenPlaces } from './unanswered.ts';

/** Names that a statement is given at once: those of millions of files are longer together than any text can be. */
const namesAtOnce = 100_000;

const rowsOf = async <T>(queries: Queries, sql: string, names: readonly string[]): Promise<T[]> => {
  const rows: T[][] = [];
  for (let at = 0; at < names.length; at += namesAtOnce)
    rows.push(await queries.all<T>(sql, [JSON.stringify(names.slice(at, at + namesAtOnce))]));
  return rows.flat();
};

/**
 * Files that cannot be placed because the bucket holds others beneath their name, seen against the whole table and not
 * only against what changed: their rows are wanted no more, and what the file manager has of them gives way.
 */
export const withoutBlocked = async (
  queries: Queries,
  changes: readonly Change[],
): Promise<{ changes: Change[]; unplaceable: Unplaceable[] }> => {
  const names = new Set<string>();
  for (const { want } of changes) {
    if (!want) continue;
    if (!want.path.endsWith('/')) names.add(want.path);
    for (const folder of foldersAround(want.path)) names.add(folder.slice(0, -1));
  }
  const blocked = await rowsOf<FileRow & { beneath: string }>(
    queries,
    `SELECT f.*, (SELECT c.path FROM file AS c WHERE c.path >= f.path || '/' AND c.path < f.path || '0' LIMIT 1) AS beneath
     FROM json_each(?) AS name JOIN file AS f ON f.path = name.value WHERE beneath IS NOT NULL`,
    [...names],
  );
  if (blocked.length === 0) return { changes: [...changes], unplaceable: [] };
  const paths = new Set(blocked.map((row) => row.path));
  const held = await rowsOf<FileRow>(
    queries,
    'SELECT m.* FROM json_each(?) AS name JOIN mirror AS m ON m.path = name.value',
    [...paths],
  );
  const removals = held.map((have): Change => ({ path: have.path, have, want: null }));
  return {
    changes: [...changes.filter(({ path }) => !paths.has(path)), ...removals],
    unplaceable: blocked.map((row) => blockedRow(row, row.beneath)),
  };
};

/**
 * How many rows the mirror holds beneath the folders that the changes touch, as far as the planner needs to know. A folder with
 * an open place holds more than anybody knows, and none goes as a whole.
 */
export const folderFacts = async (
  queries: Queries,
  changes: readonly Change[],
  open: OpenPlaces | undefined,
): Promise<Required<Pick<PlanOptions, 'filesUnder' | 'vacatedAt'>>> => {
  const leaving = new Map<string, number>();
  const folders = new Set<string>();
  for (const { have, want } of changes) {
    for (const folder of have ? foldersAround(have.path) : []) leaving.set(folder, (leaving.get(folder) ?? 0) + 1);
    for (const folder of want ? foldersAround(want.path) : []) folders.add(folder);
  }
  for (const [folder, count] of leaving) if (count > 1) folders.add(folder);
  // A folder's own row may go, or get other permissions, without anything beneath.
  for (const { path, have } of changes) if (have && path.endsWith('/')) folders.add(path);
  const held = new Map<string, number>();
  for (const folder of folders) {
    if (open?.isIn(folder)) continue;
    const range = [folder, endOfFolder(folder)];
    const beneath = await queries.get<{ rows: number }>(
      'SELECT count(*) AS rows FROM (SELECT 1 FROM mirror WHERE path >= ? AND path < ? LIMIT ?)',
      // One more than leave is enough to know that not all of them do.
      [...range, (leaving.get(folder) ?? 0) + 1],
    );
    held.set(folder, beneath?.rows ?? 0);
  }
  const arriving = changes.flatMap(({ path, have }) => (have ? [] : [path]));
  const left = await rowsOf<{ path: string; offset: number }>(
    queries,
    'SELECT v.path, v."offset" FROM json_each(?) AS name JOIN vacated AS v ON v.path = name.value',
    arriving,
  );
  const vacated = new Map(left.map((row) => [row.path, row.offset]));
  return {
    filesUnder: (folder) => held.get(folder) ?? Number.POSITIVE_INFINITY,
    vacatedAt: (path) => vacated.get(path) ?? 0,
  };
};
