import { type Found, readRows } from './read-rows.ts';
import { columns, type FileRow, isDirty } from './rows.ts';
import { type FileTable, otherTable, type Store } from './store.ts';

/** What stands at a path in a table, and what is to stand there; undefined is no row. */
export type Change = { readonly path: string; readonly before: FileRow | undefined; readonly row: FileRow | undefined };

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

/** Reads what stands in the other table, by place; nothing where nobody asks, or where that table is empty. */
export const readerOfOthers = async (
  store: Store,
  table: FileTable,
): Promise<(lot: readonly Change[]) => Promise<Found[] | undefined>> => {
  const other = otherTable[table];
  if (store.defersDirty) return async () => undefined;
  const [some] = await store.all(`SELECT 1 FROM ${other} LIMIT 1`);
  if (!some) return async () => [];
  return (lot) =>
    readRows(
      store,
      other,
      lot.map(({ path }) => path),
    );
};

/** What is written to a table, in JSON or as paths, and to `dirty`: paths that have come to differ, or to be equal. */
type Changes = {
  readonly rows: string[];
  readonly gone: string[];
  readonly soiled: string[];
  readonly clean: string[];
};

/** Without `others`, `dirty` is left to be made anew; with them only paths that change sides are written to it, as it is exact. */
export const changesOf = (table: FileTable, lot: readonly Change[], others: readonly Found[] | undefined): Changes => {
  const changes: Changes = { rows: [], gone: [], soiled: [], clean: [] };
  const { rows, gone, soiled, clean } = changes;
  const differs = (row: FileRow | undefined, other: FileRow | undefined): boolean =>
    table === 'file' ? isDirty(row, other) : isDirty(other, row);
  const otherAt: (FileRow | undefined)[] = [];
  for (const [place, row] of others ?? []) otherAt[place] = row;
  lot.forEach(({ path, before, row }, place) => {
    if (row) rows.push(textOf(row));
    else gone.push(path);
    if (!others) return;
    const was = differs(before, otherAt[place]);
    if (was === differs(row, otherAt[place])) return;
    if (was) clean.push(path);
    else soiled.push(JSON.stringify(path));
  });
  return changes;
};

const removePaths = async (store: Store, table: FileTable | 'dirty', paths: readonly string[]): Promise<void> => {
  if (paths.length === 0) return;
  await store.run(`DELETE FROM ${table} WHERE path IN (SELECT value FROM json_each(?))`, [JSON.stringify(paths)]);
};

/** Writes changes into an empty table (`isNew`) or not. */
export const writeChanges = async (store: Store, table: FileTable, changes: Changes, isNew: boolean): Promise<void> => {
  const { rows, gone, soiled, clean } = changes;
  if (rows.length > 0) await store.insert({ into: table, columns, rows, replacing: !isNew });
  await removePaths(store, table, gone);
  if (soiled.length > 0) await store.insert({ into: 'dirty', columns: ['path'], rows: soiled, replacing: true });
  await removePaths(store, 'dirty', clean);
};
