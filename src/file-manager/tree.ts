import type { Stats } from 'node:fs';
import { readdir, rmdir } from 'node:fs/promises';
import type { Queries } from '../storage/database.ts';
import { permissionsOn, stampOf } from './disk.ts';
import type { FileManagerEntry } from './file-manager.ts';
import { onDisk, stateFolder, statOf } from './paths.ts';
import { type Attribute, attributesOf, isExplicit } from './state.ts';
import type { Store } from './store.ts';

export type Node = { readonly path: string; readonly stats: Stats };

const batchRows = 500;

/**
 * Every file and folder beneath `folder` (`''` is the root) in the UTF-8 byte order of the paths, where a folder's path
 * ends in `/`. Holds the names of one folder a level. Links and special files are left out: they are never followed.
 */
export async function* walk(root: string, folder: string, after = ''): AsyncGenerator<Node> {
  const afterBytes = Buffer.from(after);
  for (const path of await sortedNames(root, folder)) {
    const comesAfter = Buffer.compare(Buffer.from(path), afterBytes) > 0;
    const leadsThere = path.endsWith('/') && after.startsWith(path);
    if (!comesAfter && !leadsThere) continue;
    const stats = await statOf(onDisk(root, path));
    if (path.endsWith('/')) {
      if (!stats?.isDirectory()) continue;
      if (comesAfter) yield { path, stats };
      yield* walk(root, path, leadsThere ? after : '');
    } else if (stats?.isFile()) {
      yield { path, stats };
    }
  }
}

const sortedNames = async (root: string, folder: string): Promise<string[]> => {
  const disk = folder === '' ? root : onDisk(root, folder);
  const entries = await readdir(disk, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  return entries
    .filter((entry) => (entry.isFile() || entry.isDirectory()) && !(folder === '' && entry.name === stateFolder))
    .map((entry) => {
      const path = `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`;
      return { path, bytes: Buffer.from(path) };
    })
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ path }) => path);
};

const entryOf = (node: Node, attribute: Attribute | undefined, keepsModes: boolean): FileManagerEntry | undefined => {
  const recorded = attribute?.permissions ?? null;
  if (node.path.endsWith('/'))
    return attribute?.explicit === 1 ? { path: node.path, size: 0, permissions: recorded } : undefined;
  const permissions = permissionsOn(node.stats, recorded, keepsModes);
  // A file that was written past the file manager has another stamp: its MD5 is not known any more.
  const known = attribute?.md5 && attribute.stamp === stampOf(node.stats) ? { md5: attribute.md5 } : {};
  return { path: node.path, size: node.stats.size, permissions, ...known };
};

/** The listing after a path, in byte order: every file, and the folders that were stored as such. Not a snapshot. */
export async function* entriesOf({ root, db, keepsModes }: Store, after = ''): AsyncGenerator<FileManagerEntry> {
  let batch: Node[] = [];
  const flush = async (): Promise<FileManagerEntry[]> => {
    const attributes = await attributesOf(
      db,
      batch.map(({ path }) => path),
    );
    const entries = batch.map((node) => entryOf(node, attributes.get(node.path), keepsModes));
    batch = [];
    return entries.filter((entry) => entry !== undefined);
  };
  for await (const node of walk(root, '', after)) {
    batch.push(node);
    if (batch.length >= batchRows) yield* await flush();
  }
  yield* await flush();
}

/** Removes a folder that holds nothing but implicit empty folders (a crash can leave them). True when it is gone. */
export const pruneEmpty = async (root: string, db: Queries, folder: string): Promise<boolean> => {
  if (await isExplicit(db, folder)) return false;
  const entries = await readdir(onDisk(root, folder), { withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isDirectory() || !(await pruneEmpty(root, db, `${folder}${entry.name}/`))) return false;
  }
  await rmdir(onDisk(root, folder));
  return true;
};
