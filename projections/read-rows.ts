import { columns, type FileRow } from './rows.ts';
import { endOfFolder, type FileTable, type Store } from './store.ts';

type Cells = readonly [
  path: string,
  fileId: number,
  key: string | null,
  size: number | null,
  etag: string | null,
  permissions: string | null,
  modifiedAt: string,
  offset: number,
  /** Of the path among those that were asked for. */
  place?: number,
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

const cells = columns.map((name) => `t."${name}"`).join(', ');

/** One piece of JSON for all rows: an object a row through the driver takes several times as long. */
const arraysIn = async (
  store: Store,
  array: string,
  from: string,
  parameters: readonly (string | number)[],
): Promise<Cells[]> => {
  const [all] = await store.all<{ text: string }>(
    `SELECT json_group_array(json_array(${array})) AS text FROM ${from}`,
    parameters,
  );
  return JSON.parse(all?.text ?? '[]') as Cells[];
};

/** A row, and the place of its path among those that were asked for. */
export type Found = readonly [place: number, row: FileRow];

export const readRows = async (store: Store, table: FileTable, paths: readonly string[]): Promise<Found[]> => {
  if (paths.length === 0) return [];
  const rows = await arraysIn(
    store,
    `${cells}, wanted.key`,
    `json_each(?) AS wanted CROSS JOIN ${table} AS t ON t.path = wanted.value`,
    [JSON.stringify(paths)],
  );
  return rows.map((row) => [row[8] as number, rowOf(row)]);
};

/** The rows beneath a folder; undefined where there are more than `most`. */
export const readBeneath = async (
  store: Store,
  table: FileTable,
  folder: string,
  most: number,
): Promise<FileRow[] | undefined> => {
  const range = `(SELECT * FROM ${table} WHERE path >= ? AND path < ? LIMIT ?) AS t`;
  const rows = await arraysIn(store, cells, range, [folder, endOfFolder(folder), most + 1]);
  return rows.length > most ? undefined : rows.map(rowOf);
};
