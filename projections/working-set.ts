import { columns, type FileRow, isDirty } from './rows.ts';
import { sortedLots } from './sorted-lots.ts';
import { endOfFolder, type FileTable, otherTable, type Store } from './store.ts';

/**
 * Rows of a table held in memory between a bulk read and a bulk write. A fold reads and changes them by path; `flush`
 * writes what changed, and to `dirty` the paths that have come to differ from the other table, or to be equal.
 */
export type WorkingSet = {
  load(paths: Iterable<string>): Promise<void>;
  /** Begins to load what `load` will be asked for next; what this throws, that throws. */
  prefetch(paths: Iterable<string>): void;
  /** Whether the path's row, or its absence, is known here. */
  has(path: string): boolean;
  get(path: string): FileRow | undefined;
  set(row: FileRow): void;
  remove(path: string): void;
  /** The rows beneath a folder, loaded where they are not here yet; undefined where these are too many. */
  beneath(folder: string): Promise<FileRow[] | undefined>;
  /** Writes the changes, forgets everything, and resolves with how the table's totals moved. */
  flush(): Promise<Totals>;
  /** Whether there are more rows here than ought to be. */
  isFull(): boolean;
};

/** How many rows and bytes a table gained (or lost, when negative). */
export type Totals = { files: number; bytes: number };

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

/** The row's cells in JSON, with commas between them. */
const textOf = (row: FileRow): string =>
  JSON.stringify([
    row.path,
    row.file_id,
    row.key,
    row.size,
    row.etag,
    row.permissions,
    row.modified_at,
    row.offset,
  ]).slice(1, -1);

/** What stands at a path in the table, and what is to stand there; undefined is no row. Another object is another row. */
type Entry = { readonly before: FileRow | undefined; row: FileRow | undefined };

/** Rows that may be looked at for events about folders before they are written; then SQL does it, which has an index. */
const rowsLookedAtMax = 50_000_000;

export type WorkingSetOptions = {
  /** The table is known to hold nothing, so that nothing need be looked up for as long as all rows fit in here. */
  readonly empty?: boolean;
  /** Rows that are loaded because a folder around them changes. SQL changes more of them faster. */
  readonly beneathMax?: number | undefined;
  /** Paths to hold; twice as many as long as all rows fit in here. */
  readonly pathsMax?: number | undefined;
};

export const createWorkingSet = (store: Store, table: FileTable, options: WorkingSetOptions = {}): WorkingSet => {
  const { empty = false, beneathMax = 1_000, pathsMax = 200_000 } = options;
  const entries = new Map<string, Entry>();
  /** Whether the table holds nothing: then what is not here is nowhere. */
  let complete = empty;
  let looked = 0;
  let coming: { readonly paths: readonly string[]; readonly rows: Promise<FileRow[]> } | undefined;
  const missing = (paths: Iterable<string>): string[] => [...new Set(paths)].filter((path) => !entries.has(path));
  const keep = (row: FileRow): void => {
    if (!entries.has(row.path)) entries.set(row.path, { before: row, row });
  };
  /** Keeps the rows that were read at these paths, and that there are no others. What has changed meanwhile stays. */
  const settle = (paths: readonly string[], rows: readonly FileRow[]): void => {
    for (const row of rows) keep(row);
    for (const path of paths) if (!entries.has(path)) entries.set(path, { before: undefined, row: undefined });
  };
  const arrival = async (): Promise<void> => {
    if (!coming) return;
    const { paths, rows } = coming;
    coming = undefined;
    settle(paths, await rows);
  };
  const entryAt = (path: string): Entry => {
    const entry = entries.get(path);
    if (!entry) throw new Error(`path was not loaded into the working set: ${path}`);
    return entry;
  };
  return {
    load: async (paths) => {
      if (complete) return;
      await arrival();
      const wanted = missing(paths);
      if (wanted.length > 0) settle(wanted, await readRows(store, table, wanted));
    },
    prefetch: (paths) => {
      if (complete || coming) return;
      const wanted = missing(paths);
      coming = { paths: wanted, rows: readRows(store, table, wanted) };
      coming.rows.catch(() => undefined);
    },
    has: (path) => complete || entries.has(path),
    get: (path) => (complete ? entries.get(path) : entryAt(path))?.row,
    set: (row) => {
      if (complete && !entries.has(row.path)) entries.set(row.path, { before: undefined, row });
      else entryAt(row.path).row = row;
    },
    remove: (path) => {
      if (complete) entries.delete(path);
      else entryAt(path).row = undefined;
    },
    beneath: async (folder) => {
      if (looked > rowsLookedAtMax) return undefined;
      looked += entries.size;
      const known = complete ? [] : await readBeneath(store, table, folder, beneathMax);
      if (known === undefined) return undefined;
      for (const row of known) keep(row);
      const found: FileRow[] = [];
      for (const { row } of entries.values()) if (row?.path.startsWith(folder)) found.push(row);
      return found;
    },
    flush: async () => {
      await arrival();
      const totals: Totals = { files: 0, bytes: 0 };
      const changed: string[] = [];
      for (const [path, { before, row }] of entries) if (row !== before) changed.push(path);
      let written: Promise<void> = Promise.resolve();
      // In the order of the table, so that neighbouring rows are written together.
      for (const paths of sortedLots(changed, rowsAtOnce)) {
        const lot = await createLot(store, table, paths, complete);
        for (const path of paths) {
          const { before, row } = entryAt(path);
          totals.files += (row ? 1 : 0) - (before ? 1 : 0);
          totals.bytes += (row?.size ?? 0) - (before?.size ?? 0);
          lot.add(path, before, row);
        }
        await written;
        written = lot.write();
        // What it throws is thrown where it is awaited.
        written.catch(() => undefined);
      }
      await written;
      entries.clear();
      complete = false;
      looked = 0;
      return totals;
    },
    // Some 600 bytes each, and half of that where the table has no row.
    isFull: () => entries.size > (complete ? 2 * pathsMax : pathsMax),
  };
};

/** One piece of JSON for all rows: an object a row through the driver takes several times as long. */
const rowsIn = async (store: Store, from: string, parameters: readonly (string | number)[]): Promise<FileRow[]> => {
  const cells = columns.map((name) => `t."${name}"`).join(', ');
  const [found] = await store.all<{ text: string | null }>(
    `SELECT group_concat(json_array(${cells})) AS text FROM ${from}`,
    parameters,
  );
  return (JSON.parse(`[${found?.text ?? ''}]`) as Cells[]).map(rowOf);
};

const readRows = async (store: Store, table: FileTable, paths: readonly string[]): Promise<FileRow[]> =>
  paths.length === 0
    ? []
    : rowsIn(store, `json_each(?) AS wanted CROSS JOIN ${table} AS t ON t.path = wanted.value`, [
        JSON.stringify(paths),
      ]);

/** Undefined where there are more than `most`. */
const readBeneath = async (
  store: Store,
  table: FileTable,
  folder: string,
  most: number,
): Promise<FileRow[] | undefined> => {
  const range = `(SELECT * FROM ${table} WHERE path >= ? AND path < ? LIMIT ?) AS t`;
  const rows = await rowsIn(store, range, [folder, endOfFolder(folder), most + 1]);
  return rows.length > most ? undefined : rows;
};

const removePaths = async (store: Store, table: FileTable | 'dirty', paths: readonly string[]): Promise<void> => {
  if (paths.length === 0) return;
  await store.run(`DELETE FROM ${table} WHERE path IN (SELECT value FROM json_each(?))`, [JSON.stringify(paths)]);
};

/** Rows that are written together: their text is a copy of them. */
const rowsAtOnce = 5_000;

/**
 * Changes of a table that are written together, into an empty table (`isNew`) or not. `dirty` is exact before, so only paths
 * that change sides are written to it.
 */
const createLot = async (store: Store, table: FileTable, paths: readonly string[], isNew: boolean) => {
  const read = store.defersDirty ? [] : await readRows(store, otherTable[table], paths);
  const others = new Map(read.map((row) => [row.path, row]));
  const differs = (row: FileRow | undefined, other: FileRow | undefined): boolean =>
    table === 'file' ? isDirty(row, other) : isDirty(other, row);
  const rows: string[] = [];
  const gone: string[] = [];
  const soiled: string[] = [];
  const clean: string[] = [];
  return {
    add: (path: string, before: FileRow | undefined, row: FileRow | undefined): void => {
      if (row) rows.push(textOf(row));
      else gone.push(path);
      if (store.defersDirty) return;
      const other = others.get(path);
      const was = differs(before, other);
      if (was === differs(row, other)) return;
      if (was) clean.push(path);
      else soiled.push(JSON.stringify(path));
    },
    write: async (): Promise<void> => {
      if (rows.length > 0) await store.insert({ into: table, columns, rows, replacing: !isNew });
      await removePaths(store, table, gone);
      if (soiled.length > 0) await store.insert({ into: 'dirty', columns: ['path'], rows: soiled, replacing: true });
      await removePaths(store, 'dirty', clean);
    },
  };
};
