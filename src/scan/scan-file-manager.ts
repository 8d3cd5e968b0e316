import { isFolder, type OutcomeEvent } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import type { Bucket } from '../bucket/bucket.ts';
import { byBytes } from '../byte-order.ts';
import { pathsUnderWay, unknownAt } from '../cycle/under-way.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import type { FileManager, FileManagerEntry } from '../file-manager/file-manager.ts';
import { undoneRows } from '../plan/undo.ts';
import type { Queries } from '../storage/database.ts';
import { type BytesFound, type CompareBytes, createCompareBytes, type Pair } from '../verify/bytes.ts';
import { cursor, entriesOf, rowsOf } from '../verify/sides.ts';

export type FileManagerScanOptions = {
  readonly workspace: Workspace;
  readonly fileManager: FileManager;
  readonly bucket: Bucket;
  readonly prefix?: string;
  /** Read the bytes of every file on both sides. Without it only those of files whose MD5 is not their etag. */
  readonly checksum?: boolean;
  /** Compare only; append nothing. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (compared: number) => void;
};

export type FileManagerScanResult = {
  /** Paths, on either side. */
  readonly compared: number;
  /** In the mirror, and not in the file manager. */
  readonly missing: number;
  /** In the file manager, and not in the mirror. */
  readonly unknown: number;
  readonly different: number;
  /** Their operation is under way: the next cycle finishes it first. */
  readonly under_way: number;
  /** Their bytes could not be read on both sides. */
  readonly unread: number;
  /** False when a signal ended it early: what was found until then is recorded. */
  readonly complete: boolean;
};

const pathsAtOnce = 1_000;

type Rows = { readonly row: FileRow | undefined; readonly entry: FileManagerEntry | undefined };
type Finding = 'same' | 'missing' | 'unknown' | 'different' | 'unread';
/** `entry` where what is there is known: new to the mirror, or of other permissions. */
type Found = { readonly path: string; readonly finding: Finding; readonly entry?: FileManagerEntry };

/**
 * What the file manager was found to hold, as facts in the log: it was changed past the service, or the log is a backup's.
 * Where its listing and the mirror differ, an outcome says what is there: nothing, other permissions, or something that is
 * not known. The next cycle then puts it right like anything else, through the gate. Nothing is recorded of paths whose
 * operation is under way: that one's own outcome says what is there.
 */
export const scanFileManager = async (options: FileManagerScanOptions): Promise<FileManagerScanResult> => {
  const { workspace, fileManager, prefix = '', signal, dryRun, onProgress } = options;
  const { log, projector } = workspace;
  await projector.catchUp();
  const isBroughtBack = await broughtBack(projector.database);
  const isUnderWay = await pathsUnderWay(log.database);
  const counts = { compared: 0, missing: 0, unknown: 0, different: 0, under_way: 0, unread: 0 };
  const mirror = cursor(rowsOf(projector.database, 'mirror'), 'mirror');
  const manager = cursor(entriesOf(fileManager, signal ? { signal } : {}), 'file manager');
  const compareBytes = createCompareBytes(options);
  let waiting: Found[] = [];
  let complete = false;
  try {
    await merge();
    complete = true;
  } catch (error) {
    if (!signal?.aborted) throw error;
  } finally {
    await manager.end();
  }
  await record();
  await projector.catchUp();
  return { ...counts, complete };

  async function merge(): Promise<void> {
    await Promise.all([mirror.next(), manager.next()]);
    for (;;) {
      signal?.throwIfAborted();
      const path = firstOf(mirror.head()?.path, manager.head()?.path);
      if (path === undefined) return;
      const sides = { row: mirror.at(path)?.row, entry: manager.at(path)?.entry };
      if (path.startsWith(prefix)) await take(path, sides);
      if (sides.row) await mirror.next();
      if (sides.entry) await manager.next();
    }
  }

  async function take(path: string, sides: Rows): Promise<void> {
    counts.compared += 1;
    onProgress?.(counts.compared);
    const found = await compare(path, sides, compareBytes);
    if (found.finding === 'same' || (sides.entry && (await isBroughtBack(sides.row)))) return;
    if (isUnderWay(path)) {
      counts.under_way += 1;
      return;
    }
    counts[found.finding] += 1;
    if (found.finding !== 'unread') waiting.push(found);
    if (waiting.length >= pathsAtOnce) await record();
  }

  async function record(): Promise<void> {
    const found = waiting;
    waiting = [];
    if (dryRun || found.length === 0) return;
    const last = await log.last();
    const wanted = await wantedOf(found);
    await log.append(found.map((one) => outcomeOf(one, wanted.get(one.path), last)));
  }

  /** The file table's rows of what the mirror does not know. */
  async function wantedOf(found: readonly Found[]): Promise<ReadonlyMap<string, FileRow>> {
    const paths = found.flatMap(({ path, finding }) => (finding === 'unknown' ? [path] : []));
    const rows = await projector.database.all<FileRow>(
      'SELECT * FROM file WHERE path IN (SELECT value FROM json_each(?))',
      [JSON.stringify(paths)],
    );
    return new Map(rows.map((row) => [row.path, row]));
  }
};

const firstOf = (a: string | undefined, b: string | undefined): string | undefined =>
  a === undefined || b === undefined ? (a ?? b) : byBytes(a, b) <= 0 ? a : b;

/**
 * Tells of a row of the mirror whether `undo` brought it back and the bucket lacks it still: nothing says what it should be,
 * and a cycle knows it, so as not to delete it, by the offset that the row has.
 */
const broughtBack = async (database: Queries): Promise<(row: FileRow | undefined) => Promise<boolean>> => {
  const isBack = await undoneRows(database);
  return async (row) =>
    row !== undefined &&
    isBack(row) &&
    (await database.get('SELECT 1 FROM file WHERE path = ?', [row.path])) === undefined;
};

/** The mirror says already that it is not known what is there: see `unknownAt`. The next cycle settles it. */
const isUnknown = ({ file_id }: FileRow): boolean => file_id === 0;

const compare = async (path: string, { row, entry }: Rows, compareBytes: CompareBytes): Promise<Found> => {
  if (row && isUnknown(row)) return { path, finding: 'same' };
  if (!entry) return { path, finding: 'missing' };
  if (!row) return { path, finding: 'unknown', entry };
  if (!isFolder(path)) {
    if (row.size !== null && row.size !== entry.size) return { path, finding: 'different' };
    const pair = { path, key: row.key ?? path, etag: row.etag, md5: entry.md5 };
    const bytes = await compareBytes(pair);
    if (bytes !== 'same') return { path, finding: isKnownToDiffer(bytes, pair) ? 'different' : 'unread' };
  }
  if (row.permissions === null || row.permissions === entry.permissions) return { path, finding: 'same' };
  // None at all is nothing that an outcome can say: the file is then saved anew, and gets them. A folder is never.
  if (entry.permissions === null) return { path, finding: isFolder(path) ? 'same' : 'different' };
  return { path, finding: 'different', entry };
};

/**
 * Also of what the bucket has replaced: as long as a restored log does not know of that, only the file's MD5 tells, and it is
 * not the etag that the mirror has.
 */
const isKnownToDiffer = (found: BytesFound, { etag, md5 }: Pair): boolean =>
  found === 'different' ||
  (typeof found === 'object' && found.replaced && md5 !== undefined && md5 !== etag?.toLowerCase());

/** Whether what is there is what the bucket holds: known by its MD5 alone, like by an etag. */
const isWanted = ({ path, size, md5 }: FileManagerEntry, row: FileRow): boolean =>
  isFolder(path) || (row.size === size && row.etag !== null && row.etag.toLowerCase() === md5);

/** `last` is the log's last offset: what it is once more at another time is another fact, and leads to other operations. */
const outcomeOf = ({ path, finding, entry }: Found, wanted: FileRow | undefined, last: number): OutcomeEvent => {
  const unknown: OutcomeEvent = { ...unknownAt(path, last), id: `found:${last}:${path}` };
  const marker = isFolder(path) && { scope: 'marker' as const };
  if (finding === 'missing') return { ...unknown, ...marker, operation: 'delete' };
  if (entry === undefined) return unknown;
  const permissions = entry.permissions === null ? {} : { permissions: entry.permissions };
  if (finding === 'different') return { ...unknown, ...marker, ...permissions, operation: 'update_permissions' };
  if (wanted === undefined || !isWanted(entry, wanted)) return { ...unknown, ...permissions };
  return {
    ...unknown,
    ...permissions,
    ...(wanted.size !== null && { size: wanted.size }),
    ...(wanted.etag !== null && { etag: wanted.etag }),
    ...(wanted.key !== null && { key: wanted.key }),
    modifiedAt: wanted.modified_at,
    fileId: wanted.file_id,
  };
};
