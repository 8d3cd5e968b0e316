import { createHash } from 'node:crypto';
import type { FileTable } from '../../projections/store.ts';
import type { Queries } from '../storage/database.ts';
import { csvSql, header } from './csv.ts';
import { publishFile } from './publish.ts';

/** What a snapshot is: enough to check it and to say which state it shows. */
export type Manifest = {
  readonly format: 1;
  readonly projection: FileTable;
  /** Offset of the last event that the snapshot includes. */
  readonly offset: number;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
};

export type ExportOptions = {
  readonly table: FileTable;
  readonly offset: number;
  /** Only the rows on which the two tables differ; the cost then follows the changes, not the bucket. */
  readonly only?: 'dirty';
};

const pageRows = 5_000;

/**
 * Writes the snapshot's text page by page, in constant memory, and resolves with its manifest. Must run within one
 * transaction, or the pages would show different states.
 */
export const writeSnapshot = async (
  queries: Queries,
  { table, offset, only }: ExportOptions,
  append: (text: string) => Promise<void>,
): Promise<Manifest> => {
  const source = only === 'dirty' ? `dirty AS d JOIN ${table} AS t USING (path)` : `${table} AS t`;
  const name = only === 'dirty' ? 'd.path' : 't.path';
  const page = `
    SELECT group_concat(line, '') AS text, count(*) AS rows, max(path) AS last
    FROM (SELECT ${name} AS path, ${csvSql('t')} AS line FROM ${source} WHERE ${name} > ? ORDER BY ${name} LIMIT ${pageRows})`;
  const hash = createHash('sha256');
  let rows = 0;
  let bytes = 0;
  const write = async (text: string): Promise<void> => {
    hash.update(text);
    bytes += Buffer.byteLength(text);
    await append(text);
  };
  await write(header);
  for (let last = ''; ; ) {
    const result = await queries.get<{ text: string | null; rows: number; last: string | null }>(page, [last]);
    if (result?.text == null || result.last === null) break;
    await write(result.text);
    rows += result.rows;
    last = result.last;
    if (result.rows < pageRows) break;
  }
  return { format: 1, projection: table, offset, rows, bytes, sha256: hash.digest('hex') };
};

/** Exports a snapshot to a file, with `<file>.manifest.json` beside it. */
export const exportSnapshot = async (queries: Queries, path: string, options: ExportOptions): Promise<Manifest> => {
  let manifest: Manifest | undefined;
  await publishFile(path, async (append) => {
    manifest = await writeSnapshot(queries, options, append);
  });
  const written = manifest as Manifest;
  await publishFile(`${path}.manifest.json`, (append) => append(`${JSON.stringify(written)}\n`));
  return written;
};
