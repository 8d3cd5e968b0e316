import { createHash } from 'node:crypto';
import type { FileTable } from '../../projections/store.ts';
import type { Queries } from '../storage/database.ts';
import { bareSql, header, needsQuotes, quotedSql } from './csv.ts';
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

type Page = { readonly records: Buffer | null; readonly rows: number; readonly last: string | null };

const pageSql = (table: FileTable, only: 'dirty' | undefined, record: (alias: string) => string): string => {
  const source = only === 'dirty' ? `dirty AS d JOIN ${table} AS t USING (path)` : `${table} AS t`;
  const name = only === 'dirty' ? 'd.path' : 't.path';
  return `
    SELECT CAST(group_concat(line, '') AS BLOB) AS records, count(*) AS rows, max(path) AS last
    FROM (SELECT ${name} AS path, ${record('t')} AS line FROM ${source} WHERE ${name} > ? ORDER BY ${name} LIMIT ${pageRows})`;
};

/**
 * Writes the snapshot's text page by page, in constant memory, and resolves with its manifest. Must run within one
 * transaction, or the pages would show different states.
 */
export const writeSnapshot = async (
  queries: Queries,
  { table, offset, only }: ExportOptions,
  append: (records: Buffer) => Promise<void>,
): Promise<Manifest> => {
  const pageAfter = (last: string, record: (alias: string) => string): Promise<Page | undefined> =>
    queries.get<Page>(pageSql(table, only, record), [last]);
  const hash = createHash('sha256');
  let rows = 0;
  let bytes = 0;
  const write = async (records: Buffer): Promise<void> => {
    hash.update(records);
    bytes += records.length;
    await append(records);
  };
  await write(Buffer.from(header));
  let after = '';
  let next: Promise<Page | undefined> | undefined = pageAfter(after, bareSql);
  while (next) {
    const page: Page | undefined = await next;
    if (!page?.records || page.last === null) break;
    const isQuoted = needsQuotes(page.records, page.rows);
    const records = isQuoted ? (await pageAfter(after, quotedSql))?.records : page.records;
    after = page.last;
    // While this page is hashed and written, the database makes the next one.
    next = page.rows < pageRows ? undefined : pageAfter(after, bareSql);
    next?.catch(() => undefined);
    await write(records as Buffer);
    rows += page.rows;
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
