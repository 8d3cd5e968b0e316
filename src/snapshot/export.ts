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

const pageRows = 2_500;

type Page = { readonly records: Buffer | null; readonly rows: number };

/** One connection, or several that show the same state. */
export type Readers = readonly [Queries, ...Queries[]];

const sourceOf = (table: FileTable, only: 'dirty' | undefined): readonly [source: string, path: string] =>
  only === 'dirty' ? [`dirty AS d JOIN ${table} AS t USING (path)`, 'd.path'] : [`${table} AS t`, 't.path'];

/** The pages of a snapshot, in its order; each as bare records or, asked for again, as quoted ones. */
const createPages = (readers: Readers, { table, only }: ExportOptions) => {
  const [source, path] = sourceOf(table, only);
  const read = (reader: Queries, after: string, last: string | undefined, record: (alias: string) => string) =>
    reader.get<Page>(
      `SELECT CAST(group_concat(line, '') AS BLOB) AS records, count(*) AS rows
       FROM (SELECT ${record('t')} AS line FROM ${source}
             WHERE ${path} > ? ${last === undefined ? '' : `AND ${path} <= ?`} ORDER BY ${path})`,
      last === undefined ? [after] : [after, last],
    );
  const lastOfPage = async (reader: Queries, after: string): Promise<string | undefined> => {
    const sql = `SELECT ${path} AS path FROM ${source} WHERE ${path} > ? ORDER BY ${path} LIMIT 1 OFFSET ${pageRows - 1}`;
    return (await reader.get<{ path: string }>(sql, [after]))?.path;
  };
  let start: Promise<string | undefined> = Promise.resolve('');
  const busy = readers.map((): Promise<unknown> => Promise.resolve());
  let turn = 0;
  /** Begins the next page, on the reader whose turn it is; where it ends is found first, and so the one after can begin. */
  return (): Promise<{ readonly page: Page; readonly quoted: () => Promise<Page | undefined> } | undefined> => {
    const at = turn++ % readers.length;
    const reader = readers[at] as Queries;
    const first = start;
    const last = Promise.all([first, busy[at]]).then(([after]) =>
      after === undefined ? undefined : lastOfPage(reader, after),
    );
    const made = Promise.all([first, last]).then(async ([after, end]) => {
      if (after === undefined) return undefined;
      const page = await read(reader, after, end, bareSql);
      return page && { page, quoted: () => read(reader, after, end, quotedSql) };
    });
    start = last;
    busy[at] = made;
    // What it throws is thrown where it is awaited.
    made.catch(() => undefined);
    return made;
  };
};

/**
 * Writes the snapshot's text page by page, in constant memory, and resolves with its manifest. Each reader must be within
 * one transaction, or the pages would show different states.
 */
export const writeSnapshot = async (
  readers: Readers,
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
  const begin = createPages(readers, options);
  // One page more than there are readers: the database makes them while one is hashed and written.
  const begun = [begin(), ...readers.map(begin)];
  for (let made = await begun.shift(); made; made = await begun.shift()) {
    begun.push(begin());
    const { page, quoted } = made;
    const records = page.records && needsQuotes(page.records, page.rows) ? (await quoted())?.records : page.records;
    if (records) await write(records);
    rows += page.rows;
  }
  await writing;
  return { format: 1, projection: table, offset, rows, bytes, sha256: hash.digest('hex') };
};

/** Exports a snapshot to a file, with `<file>.manifest.json` beside it. */
export const exportSnapshot = async (readers: Readers, path: string, options: ExportOptions): Promise<Manifest> => {
  let manifest: Manifest | undefined;
  await publishFile(path, async (append) => {
    manifest = await writeSnapshot(readers, options, append);
  });
  const written = manifest as Manifest;
  await publishFile(`${path}.manifest.json`, (append) => append(`${JSON.stringify(written)}\n`));
  return written;
};
