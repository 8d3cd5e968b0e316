import type { FileRow } from '../../projections/rows.ts';
import { FatalError } from '../errors.ts';
import type { FileManager, FileManagerEntry } from '../file-manager/file-manager.ts';
import type { Queries } from '../storage/database.ts';

/** The sides of a comparison, each in the byte order of its paths and in constant memory. */

/** Rows that one query reads. */
const pageRows = 2_000;

export async function* rowsOf(
  queries: Pick<Queries, 'all'>,
  table: 'file' | 'mirror',
): AsyncGenerator<{ path: string; row: FileRow }> {
  for (let after = ''; ; ) {
    const rows = await queries.all<FileRow>(`SELECT * FROM ${table} WHERE path > ? ORDER BY path LIMIT ${pageRows}`, [
      after,
    ]);
    for (const row of rows) yield { path: row.path, row };
    if (rows.length < pageRows) return;
    after = rows.at(-1)?.path ?? after;
  }
}

export async function* entriesOf(
  fileManager: FileManager,
  options: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<{ path: string; entry: FileManagerEntry }> {
  for await (const entry of fileManager.list(options)) yield { path: entry.path, entry };
}

/** One side of the merge; insists on the order that the merge relies on. */
export const cursor = <T extends { path: string }>(items: AsyncGenerator<T>, side: string) => {
  let head: T | undefined;
  let previous: Buffer | undefined;
  const next = async (): Promise<void> => {
    const { value, done } = await items.next();
    head = done ? undefined : value;
    if (!head) return;
    const path = Buffer.from(head.path);
    if (previous && Buffer.compare(previous, path) >= 0)
      throw new FatalError(`the ${side} lists ${JSON.stringify(head.path)} out of order: it cannot be compared`);
    previous = path;
  };
  /** Lets go of what lies behind the side. */
  const end = async (): Promise<void> => void (await items.return(undefined));
  return { next, end, at: (path: string) => (head?.path === path ? head : undefined), head: () => head };
};
