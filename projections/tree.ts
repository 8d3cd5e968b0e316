import { endOfFolder, type FileTable, type Store } from './store.ts';
import type { Totals } from './working-set.ts';

/**
 * Folder events on a whole subtree, in SQL: their cost is the subtree's, and none of it passes through JavaScript.
 * Every path whose row changes is noted in `touched`.
 */

/** Parameters: a folder, and the end of its range of paths (`endOfFolder`). */
const inFolder = 'path >= ? AND path < ?';

/** `total` and not `sum`, which fails where the sizes that a producer names are more than 64 bits hold. */
const totalsOf = async (store: Store, table: FileTable | 'moved', folder?: string): Promise<Totals> => {
  const where = folder === undefined ? '' : `WHERE ${inFolder}`;
  const [row] = await store.all<Totals>(
    `SELECT count(*) AS files, total(size) AS bytes FROM ${table} ${where}`,
    folder === undefined ? [] : [folder, endOfFolder(folder)],
  );
  return row ?? { files: 0, bytes: 0 };
};

const touch = async (store: Store, table: FileTable, folder: string): Promise<void> => {
  if (store.defersDirty) return;
  await store.run(`INSERT OR IGNORE INTO touched SELECT path FROM ${table} WHERE ${inFolder}`, [
    folder,
    endOfFolder(folder),
  ]);
};

/** Deletes the folder and all beneath it. */
export const deleteTree = async (store: Store, table: FileTable, folder: string): Promise<Totals> => {
  const lost = await totalsOf(store, table, folder);
  await touch(store, table, folder);
  await store.run(`DELETE FROM ${table} WHERE ${inFolder}`, [folder, endOfFolder(folder)]);
  return { files: -lost.files, bytes: -lost.bytes };
};

/** Gives all beneath the folder the same permissions. */
export const chmodTree = async (
  store: Store,
  table: FileTable,
  folder: string,
  permissions: string,
  offset: number,
): Promise<void> => {
  await touch(store, table, folder);
  await store.run(`UPDATE ${table} SET permissions = ?, "offset" = ? WHERE ${inFolder}`, [
    permissions,
    offset,
    folder,
    endOfFolder(folder),
  ]);
};

/**
 * Moves all beneath `folder` to beneath `to`, replacing what is in the way. The rows pass through a side table, so that
 * source and destination may overlap (`a/b/` to `a/`).
 */
export const moveTree = async (
  store: Store,
  table: FileTable,
  folder: string,
  to: string,
  offset: number,
): Promise<Totals> => {
  await touch(store, table, folder);
  await store.run('DELETE FROM moved');
  await store.run(
    `INSERT INTO moved SELECT ? || substr(path, ?), file_id, key, size, etag, permissions, modified_at, ?
     FROM ${table} WHERE ${inFolder}`,
    [to, [...folder].length + 1, offset, folder, endOfFolder(folder)],
  );
  await store.run(`DELETE FROM ${table} WHERE ${inFolder}`, [folder, endOfFolder(folder)]);
  const [replaced] = await store.all<Totals>(
    `SELECT count(*) AS files, total(t.size) AS bytes FROM moved JOIN ${table} AS t USING (path)`,
  );
  await store.run(`INSERT OR REPLACE INTO ${table} SELECT * FROM moved`);
  if (!store.defersDirty) await store.run('INSERT OR IGNORE INTO touched SELECT path FROM moved');
  await store.run('DELETE FROM moved');
  return { files: -(replaced?.files ?? 0), bytes: -(replaced?.bytes ?? 0) };
};
