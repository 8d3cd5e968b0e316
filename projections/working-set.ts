import { columns, type FileRow } from './rows.ts';
import type { FileTable, Store } from './store.ts';

/**
 * The rows that one window of events touches, held in memory between a bulk read and a bulk write. A fold reads and
 * changes them by path; `flush` writes what changed and notes every touched path for `dirty`.
 */
export type WorkingSet = {
  load(paths: Iterable<string>): Promise<void>;
  /** Whether the path's row, or its absence, is known here. */
  has(path: string): boolean;
  get(path: string): FileRow | undefined;
  set(row: FileRow): void;
  remove(path: string): void;
  /** Writes the changes, forgets everything, and resolves with how the table's totals moved. */
  flush(): Promise<Totals>;
};

/** How many rows and bytes a table gained (or lost, when negative). */
export type Totals = { files: number; bytes: number };

const upsert = (table: FileTable): string => `
INSERT INTO ${table} (${columns.map((name) => `"${name}"`).join(', ')})
SELECT ${columns.map((_, index) => `value->>${index}`).join(', ')} FROM json_each(?) WHERE true
ON CONFLICT (path) DO UPDATE SET ${columns
  .slice(1)
  .map((name) => `"${name}" = excluded."${name}"`)
  .join(', ')}`;

export const createWorkingSet = (store: Store, table: FileTable): WorkingSet => {
  const loaded = new Map<string, FileRow | undefined>();
  const current = new Map<string, FileRow | undefined>();
  const known = (path: string): FileRow | undefined => {
    if (current.has(path)) return current.get(path);
    if (!loaded.has(path)) throw new Error(`path was not loaded into the working set: ${path}`);
    return loaded.get(path);
  };
  return {
    load: async (paths) => {
      const missing = [...new Set(paths)].filter((path) => !loaded.has(path));
      if (missing.length === 0) return;
      for (const path of missing) loaded.set(path, undefined);
      const rows = await store.all<FileRow>(
        `SELECT t.* FROM json_each(?) AS wanted JOIN ${table} AS t ON t.path = wanted.value`,
        [JSON.stringify(missing)],
      );
      for (const row of rows) loaded.set(row.path, row);
    },
    has: (path) => current.has(path) || loaded.has(path),
    get: known,
    set: (row) => current.set(row.path, row),
    remove: (path) => current.set(path, undefined),
    flush: async () => {
      const totals: Totals = { files: 0, bytes: 0 };
      const upserts: unknown[][] = [];
      const removals: string[] = [];
      for (const [path, row] of current) {
        const before = loaded.get(path);
        totals.files += (row ? 1 : 0) - (before ? 1 : 0);
        totals.bytes += (row?.size ?? 0) - (before?.size ?? 0);
        if (row) upserts.push(columns.map((name) => row[name]));
        else if (before) removals.push(path);
      }
      if (removals.length > 0) {
        await store.run(`DELETE FROM ${table} WHERE path IN (SELECT value FROM json_each(?))`, [
          JSON.stringify(removals),
        ]);
      }
      if (upserts.length > 0) await store.run(upsert(table), [JSON.stringify(upserts)]);
      if (current.size > 0) {
        await store.run('INSERT OR IGNORE INTO touched SELECT value FROM json_each(?)', [
          JSON.stringify([...current.keys()]),
        ]);
      }
      loaded.clear();
      current.clear();
      return totals;
    },
  };
};
