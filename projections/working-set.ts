import { columns, type FileRow } from './rows.ts';
import type { FileTable, Store } from './store.ts';

/**
 * Rows of a table held in memory between a bulk read and a bulk write. A fold reads and changes them by path; `flush`
 * writes what changed and notes every changed path for `dirty`.
 */
export type WorkingSet = {
  load(paths: Iterable<string>): Promise<void>;
  /** Whether the path's row, or its absence, is known here. */
  has(path: string): boolean;
  get(path: string): FileRow | undefined;
  set(row: FileRow): void;
  remove(path: string): void;
  /** The rows beneath a folder; undefined unless all rows of the table are here. */
  beneath(folder: string): FileRow[] | undefined;
  /** Writes the changes, forgets everything, and resolves with how the table's totals moved. */
  flush(): Promise<Totals>;
  /** Whether there are more rows here than ought to be. */
  isFull(): boolean;
};

/** How many rows and bytes a table gained (or lost, when negative). */
export type Totals = { files: number; bytes: number };

const upsert = (table: FileTable): string => `
INSERT INTO ${table} (${columns.map((name) => `"${name}"`).join(', ')})
SELECT ${columns.map((_, index) => `json_extract(value, '$[${index}]')`).join(', ')} FROM json_each(?) WHERE true
ON CONFLICT (path) DO UPDATE SET ${columns
  .slice(1)
  .map((name) => `"${name}" = excluded."${name}"`)
  .join(', ')}`;

type Cells = readonly [
  path: string,
  fileId: number,
  key: string | null,
  size: number | null,
  etag: string | null,
  permissions: string | null,
  modifiedAt: string,
  offset: number,
];

const rowOf = ([path, file_id, key, size, etag, permissions, modified_at, offset]: Cells): FileRow => ({
  path,
  file_id,
  key,
  size,
  etag,
  permissions,
  modified_at,
  offset,
});

const cellsOf = (row: FileRow): Cells => [
  row.path,
  row.file_id,
  row.key,
  row.size,
  row.etag,
  row.permissions,
  row.modified_at,
  row.offset,
];

/** Rows that a kept working set may hold: some 300 bytes each. */
const keptRowsMax = 400_000;

/** Rows that may be looked at one by one for events about folders; past it SQL does it, which has an index. */
const rowsLookedAtMax = 50_000_000;

/** `empty`: the table is known to hold nothing, so that nothing need be looked up for as long as all rows fit in here. */
export const createWorkingSet = (store: Store, table: FileTable, options: { empty?: boolean } = {}): WorkingSet => {
  const loaded = new Map<string, FileRow | undefined>();
  const changed = new Map<string, FileRow | undefined>();
  /** Whether `changed` is all that the table will hold: nothing was read, nothing written. */
  let complete = options.empty === true;
  let looked = 0;
  const isFull = (): boolean => loaded.size + changed.size > keptRowsMax;
  return {
    load: async (paths) => {
      if (complete) return;
      const missing = [...new Set(paths)].filter((path) => !loaded.has(path) && !changed.has(path));
      if (missing.length === 0) return;
      for (const path of missing) loaded.set(path, undefined);
      // One piece of JSON for all rows: an object a row through the driver takes several times as long.
      const [found] = await store.all<{ text: string }>(
        `SELECT json_group_array(json_array(${columns.map((name) => `t."${name}"`).join(', ')})) AS text
         FROM json_each(?) AS wanted CROSS JOIN ${table} AS t ON t.path = wanted.value`,
        [JSON.stringify(missing)],
      );
      for (const cells of JSON.parse(found?.text ?? '[]') as Cells[]) loaded.set(cells[0], rowOf(cells));
    },
    has: (path) => complete || changed.has(path) || loaded.has(path),
    get: (path) => {
      const row = changed.get(path);
      if (row !== undefined || complete || changed.has(path)) return row;
      const known = loaded.get(path);
      if (known === undefined && !loaded.has(path))
        throw new Error(`path was not loaded into the working set: ${path}`);
      return known;
    },
    set: (row) => changed.set(row.path, row),
    remove: (path) => {
      if (complete) changed.delete(path);
      else changed.set(path, undefined);
    },
    beneath: (folder) => {
      if (!complete || looked > rowsLookedAtMax) return undefined;
      looked += changed.size;
      const found: FileRow[] = [];
      for (const row of changed.values()) if (row?.path.startsWith(folder)) found.push(row);
      return found;
    },
    flush: async () => {
      const totals: Totals = { files: 0, bytes: 0 };
      const removals: string[] = [];
      const write = createBulkWriter(store, upsert(table));
      // In the order of the table, so that neighbouring rows are written together.
      for (const path of [...changed.keys()].sort()) {
        const row = changed.get(path);
        const before = loaded.get(path);
        totals.files += (row ? 1 : 0) - (before ? 1 : 0);
        totals.bytes += (row?.size ?? 0) - (before?.size ?? 0);
        const full = row && write.add(cellsOf(row));
        if (full) await full;
        if (!row && before) removals.push(path);
      }
      await write.end();
      if (removals.length > 0) {
        await store.run(`DELETE FROM ${table} WHERE path IN (SELECT value FROM json_each(?))`, [
          JSON.stringify(removals),
        ]);
      }
      if (changed.size > 0 && !store.defersDirty) {
        await store.run('INSERT OR IGNORE INTO touched SELECT value FROM json_each(?)', [
          JSON.stringify([...changed.keys()]),
        ]);
      }
      loaded.clear();
      complete = false;
      changed.clear();
      return totals;
    },
    isFull,
  };
};

/** Rows in one statement: their JSON is a copy of them. */
const rowsAtOnce = 10_000;

/** Writes rows some thousand at a time; while the database takes one lot, the next is made ready. */
const createBulkWriter = (store: Store, sql: string) => {
  let lot: Cells[] = [];
  let writing: Promise<unknown> = Promise.resolve();
  const send = async (): Promise<void> => {
    const text = JSON.stringify(lot);
    lot = [];
    await writing;
    writing = store.run(sql, [text]);
    // What it throws is thrown where it is awaited.
    writing.catch(() => undefined);
  };
  return {
    add: (cells: Cells): Promise<void> | undefined => {
      lot.push(cells);
      return lot.length < rowsAtOnce ? undefined : send();
    },
    end: async (): Promise<void> => {
      if (lot.length > 0) await send();
      await writing;
    },
  };
};
