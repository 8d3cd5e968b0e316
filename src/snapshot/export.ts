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
  /** Only the rows on which the two tables differ, or of a cycle's lot; the cost then follows these, not the bucket. */
  readonly only?: 'dirty' | 'lot';
};

const pageRows = 3_500;

/** Some records; `last` is the path of the last one. */
type Page = { readonly records: Buffer | null; readonly rows: number; readonly last: string | null };

/** A page of the rows after a path, up to another one where that is named. */
const pageSql = ({ table, only }: ExportOptions, record: (alias: string) => string, bounded = false): string => {
  const [source, path] =
    only === undefined ? [`${table} AS t`, 't.path'] : [`${only} AS d CROSS JOIN ${table} AS t USING (path)`, 'd.path'];
  return `SELECT CAST(group_concat(line, '') AS BLOB) AS records, count(*) AS rows, max(path) AS last
    FROM (SELECT ${record('t')} AS line, ${path} AS path FROM ${source}
          WHERE ${path} > ? ${bounded ? `AND ${path} <= ?` : ''} ORDER BY ${path} LIMIT ${pageRows})`;
};

/** The pages of a snapshot, in its order. The next one is made while this one is looked at, hashed and written. */
async function* pagesOf(queries: Queries, options: ExportOptions): AsyncGenerator<{ records: Buffer; rows: number }> {
  const read = (from: string): Promise<Page | undefined> => queries.get<Page>(pageSql(options, bareSql), [from]);
  let next = read('');
  try {
    for (let from = ''; ; ) {
      const page = await next;
      if (!page || page.records === null || page.last === null) return;
      const { records, rows, last } = page;
      next = read(last);
      // What it throws is thrown where it is awaited.
      next.catch(() => undefined);
      yield { records: needsQuotes(records, rows) ? await quotedPage(queries, options, from, last) : records, rows };
      from = last;
    }
  } finally {
    await next.catch(() => undefined);
  }
}

const quotedPage = async (queries: Queries, options: ExportOptions, from: string, last: string): Promise<Buffer> => {
  const page = await queries.get<Page>(pageSql(options, quotedSql, true), [from, last]);
  return page?.records ?? Buffer.alloc(0);
};

/**
 * Writes the snapshot's text page by page, in constant memory, and resolves with its manifest. The queries must be within
 * one transaction, or the pages would show different states.
 */
export const writeSnapshot = async (
  queries: Queries,
  options: ExportOptions,
  append: (records: Buffer) => Promise<void>,
): Promise<Manifest> => {
  const { table, offset } = options;
  const hash = createHash('sha256');
  let rows = 0;
  let bytes = 0;
  let writing: Promise<void> = Promise.resolve();
  const write = async (records: Buffer): Promise<void> => {
    hash.update(records);
    bytes += records.length;
    await writing;
    writing = append(records);
    writing.catch(() => undefined);
  };
  await write(Buffer.from(header));
  for await (const page of pagesOf(queries, options)) {
    await write(page.records);
    rows += page.rows;
  }
  await writing;
  return { format: 1, projection: table, offset, rows, bytes, sha256: hash.digest('hex') };
};

export type ExportPlaces = { readonly csv: string; readonly manifest: string };

/** A manifest lies beside its snapshot. */
export const exportPlaces = (csv: string): ExportPlaces => ({ csv, manifest: `${csv}.manifest.json` });

/** Exports a snapshot to a file, and its manifest: both are replaced, whatever they are. */
export const exportSnapshot = async (
  queries: Queries,
  places: ExportPlaces,
  options: ExportOptions,
): Promise<Manifest> => {
  let manifest: Manifest | undefined;
  await publishFile(places.csv, async (append) => {
    manifest = await writeSnapshot(queries, options, append);
  });
  const written = manifest as Manifest;
  await publishFile(places.manifest, (append) => append(`${JSON.stringify(written)}\n`));
  return written;
};
