import type { FileRow } from '../../projections/rows.ts';
import type { Bucket, ListedObject } from '../bucket/bucket.ts';
import { byBytes } from '../byte-order.ts';
import type { FileManager, FileManagerEntry } from '../file-manager/file-manager.ts';
import type { Database } from '../storage/database.ts';
import { type CompareBytes, createCompareBytes } from './bytes.ts';
import { type Listed, listBucket } from './listed.ts';
import { cursor, entriesOf, rowsOf } from './sides.ts';

/** `=` same, `-` missing there, `+` only there, `*` differs, `!` could not be read. There: the file manager, or the projection. */
export type Sign = '=' | '-' | '+' | '*' | '!';

export type Verified = {
  readonly path: string;
  /** The file manager against the bucket. */
  readonly sign: Sign;
  /** The projection against the bucket. */
  readonly projection: Sign;
  readonly detail: string;
};

export type Sides = {
  readonly bucket: Bucket;
  readonly database: Database;
  readonly fileManager: FileManager;
  readonly checksum?: boolean;
  /** Aborted: the comparison ends with what the signal says. */
  readonly signal?: AbortSignal;
};

/** One sign of all three sides: where the file manager is as the bucket, that of the projection. */
export const signOf = ({ sign, projection }: Verified): Sign => (sign === '=' ? projection : sign);

/**
 * Compares bucket, projection and file manager, path by path, in constant memory: first the keys that no path can stand
 * for, then every path in byte order. `checksum` reads the bytes of every file on both sides; without it only those of
 * files whose MD5 is not the etag.
 */
export async function* verify(sides: Sides): AsyncGenerator<Verified> {
  const listed = await listBucket(sides.bucket, sides.database, sides.signal);
  try {
    for await (const { key, problem } of listed.refused())
      yield { path: key, sign: '!', projection: '=', detail: problem };
    yield* merge(sides, listed);
  } finally {
    await listed.close();
  }
}

async function* merge(sides: Sides, listed: Listed): AsyncGenerator<Verified> {
  const bucket = cursor(listed.objects(), 'bucket');
  const projection = cursor(rowsOf(sides.database, 'file'), 'projection');
  const manager = cursor(entriesOf(sides.fileManager, sides.signal ? { signal: sides.signal } : {}), 'file manager');
  const compareBytes = createCompareBytes(sides);
  try {
    await Promise.all([bucket.next(), projection.next(), manager.next()]);
    for (;;) {
      sides.signal?.throwIfAborted();
      const paths = [bucket.head()?.path, projection.head()?.path, manager.head()?.path].filter(
        (path) => path !== undefined,
      );
      if (paths.length === 0) return;
      const path = paths.reduce((least, other) => (byBytes(other, least) < 0 ? other : least));
      const object = bucket.at(path)?.object;
      const row = projection.at(path)?.row;
      const entry = manager.at(path)?.entry;
      const bytes = object && entry && (await differentBytes(sides, compareBytes, object, entry));
      yield compare(path, object, row, entry, bytes);
      if (object) await bucket.next();
      if (row) await projection.next();
      if (entry) await manager.next();
    }
  } finally {
    await manager.end();
  }
}

const compare = (
  path: string,
  object: ListedObject | undefined,
  row: FileRow | undefined,
  entry: FileManagerEntry | undefined,
  bytes: string | undefined,
): Verified => {
  const details: string[] = [];
  const presence = (there: unknown): Sign => (object && !there ? '-' : !object && there ? '+' : '=');
  let sign = presence(entry);
  let projection = presence(row);
  if (object && entry) {
    if (object.size !== entry.size)
      details.push(`size ${object.size} in the bucket, ${entry.size} in the file manager`);
    if (row?.permissions != null && row.permissions !== entry.permissions)
      details.push(`permissions ${row.permissions} expected, ${entry.permissions}`);
    if (bytes) details.push(bytes);
    if (details.length > 0) sign = bytes?.startsWith('could not') ? '!' : '*';
  }
  if (object && row && (object.size !== (row.size ?? object.size) || (row.etag !== null && row.etag !== object.etag))) {
    projection = '*';
    details.push('the projection has another content');
  } else if (projection === '-') details.push('the projection lacks it');
  else if (projection === '+') details.push(entry ? 'the projection has it too' : 'only the projection has it');
  return { path, sign, projection, detail: details.join('; ') };
};

const differentBytes = async (
  { checksum }: Sides,
  compareBytes: CompareBytes,
  { key, etag, size }: ListedObject,
  { path, md5, ...entry }: FileManagerEntry,
): Promise<string | undefined> => {
  if (key.endsWith('/') || (size !== entry.size && !checksum)) return undefined;
  const found = await compareBytes({ path, key, etag, md5 });
  if (found === 'same') return undefined;
  return found === 'different' ? 'the bytes differ' : `could not be read: ${found.unread}`;
};
