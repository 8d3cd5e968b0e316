import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathOfObject } from '../../events/keys.ts';
import type { Bucket, ListedObject, ListingPage } from '../bucket/bucket.ts';
import { createNamesakes } from '../scan/namesakes.ts';
import { pathsByKey } from '../scan/paths-by-key.ts';
import { type Database, openDatabase, type Queries } from '../storage/database.ts';

/** A bucket's whole listing, on disk. */
export type Listed = {
  /** Objects by path, in the byte order of the paths. */
  objects(): AsyncGenerator<{ readonly path: string; readonly object: ListedObject }>;
  /** Keys that no path can stand for, each with the reason. */
  refused(): AsyncGenerator<{ readonly key: string; readonly problem: string }>;
  close(): Promise<void>;
};

const pageRows = 2_000;

/**
 * Lists the bucket into a throw-away database that sorts it: S3 promises UTF-8 order, directory buckets promise none, some
 * servers list in the order of a locale; and where a key differs from its path, none of these is the order of the paths.
 */
export const listBucket = async (bucket: Bucket, projection: Queries, signal?: AbortSignal): Promise<Listed> => {
  const folder = await mkdtemp(join(tmpdir(), 's3-sync-verify-'));
  const sorted = await openDatabase({ path: join(folder, 'listed.db'), mode: 'write', synchronous: 'OFF' });
  const close = async (): Promise<void> => {
    await sorted.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (const table of ['placed', 'refused'])
      await sorted.exec(`CREATE TABLE ${table} (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID`);
    const paths = await pathsByKey(projection);
    const insert = (table: string, rows: readonly (readonly [string, string])[]): Promise<number> =>
      sorted.run(`INSERT OR REPLACE INTO ${table} SELECT value->>0, value->>1 FROM json_each(?)`, [
        JSON.stringify(rows),
      ]);
    const namesakes = createNamesakes(paths);
    const place = async (page: ListingPage): Promise<void> => {
      const placed: [string, string][] = [];
      const refused: [string, string][] = [];
      for (const object of page.objects) {
        const checked = pathOfObject(paths.get(object.key) ?? object.key, object.size);
        if ('path' in checked) placed.push([checked.path, JSON.stringify(object)]);
        // As JSON: SQLite would end a text at a NUL.
        else refused.push([JSON.stringify(object.key), checked.problem]);
      }
      await insert('placed', placed);
      await insert('refused', refused);
    };
    for await (const page of bucket.list(signal ? { signal } : {})) await place(namesakes.apart(page));
    for (const page of namesakes.left()) await place(page);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async *objects() {
      for await (const { name, value } of pagesOf(sorted, 'placed'))
        yield { path: name, object: JSON.parse(value) as ListedObject };
    },
    async *refused() {
      for await (const { name, value } of pagesOf(sorted, 'refused'))
        yield { key: JSON.parse(name) as string, problem: value };
    },
    close,
  };
};

async function* pagesOf(database: Database, table: string): AsyncGenerator<{ name: string; value: string }> {
  for (let after = ''; ; ) {
    const rows = await database.all<{ name: string; value: string }>(
      `SELECT name, value FROM ${table} WHERE name > ? ORDER BY name LIMIT ${pageRows}`,
      [after],
    );
    yield* rows;
    if (rows.length < pageRows) return;
    after = rows.at(-1)?.name ?? after;
  }
}
