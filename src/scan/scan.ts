import { randomUUID } from 'node:crypto';
import { from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import type { BucketEvent } from '../../events/event.ts';
import { pathOfObject } from '../../events/keys.ts';
import type { FileRow } from '../../projections/rows.ts';
import type { Bucket, ListedObject, ListingPage } from '../bucket/bucket.ts';
import { type CycleMemory, remember } from '../cycle/memory.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { messageOf } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import type { Poison } from '../log/quarantine.ts';
import { createNamesakes } from './namesakes.ts';
import { pathsByKey } from './paths-by-key.ts';

export type ScanOptions = {
  readonly workspace: Workspace;
  readonly bucket: Bucket;
  readonly prefix?: string;
  /** Ask each new or changed object for the permissions in its metadata: one HEAD each. */
  readonly metadata: boolean;
  /** Ask each of them for its ACL where its metadata states no permissions: one request more. */
  readonly acl?: boolean;
  /** Compare only; append nothing. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (listed: number) => void;
};

export type ScanResult = {
  readonly listed: number;
  readonly missing: number;
  readonly stale: number;
  /** Files of the projection that the bucket does not hold any more. */
  readonly gone: number;
  /** Keys that no path can stand for; they are in quarantine. */
  readonly unrepresentable: number;
  /** False when a signal ended the listing early: nothing was taken for gone. */
  readonly complete: boolean;
};

const headConcurrency = 16;
const pageRows = 1_000;

/**
 * The bucket scan is a source like any other: it lists the bucket and appends what the log does not know as events.
 * Their time is the moment the bucket's own clock gave for the listing, so an event that was under way meanwhile finds its
 * place before or after. Deletes are appended only after a complete listing, and only for rows that are older than it.
 * Started again after a crash it appends what is still missing.
 */
export const scanBucket = async (options: ScanOptions): Promise<ScanResult> => {
  const { workspace, bucket, prefix, signal, onProgress, dryRun } = options;
  const { log, projector } = workspace;
  const { database } = projector;
  const scanId = randomUUID().slice(0, 8);
  const startedAt = await projector.catchUp();
  const counts = { listed: 0, missing: 0, stale: 0, gone: 0, unrepresentable: 0 };
  await database.exec(
    'CREATE TEMP TABLE IF NOT EXISTS listed (path TEXT PRIMARY KEY) WITHOUT ROWID; DELETE FROM listed;',
  );
  const paths = await pathsByKey(database);
  const namesakes = createNamesakes(paths, prefix);
  let observedAt = '';
  let complete = false;
  if (startedAt === 0 && prefix === undefined && !dryRun) await remember(log.database, { unlisted: true });
  try {
    for await (const page of bucket.list({ ...(prefix !== undefined && { prefix }), ...(signal && { signal }) })) {
      observedAt = page.observedAt;
      counts.listed += page.objects.length;
      await takePage(namesakes.apart(page));
      onProgress?.(counts.listed);
      complete = page.last;
    }
  } catch (error) {
    if (signal?.aborted) return { ...counts, complete };
    await note({ objects: counts.listed, complete: false, error: messageOf(error) });
    throw error;
  }
  if (complete) for (const page of namesakes.left()) await takePage(page);
  if (complete) await takeGone();
  if (complete && prefix === undefined) {
    await note({ objects: counts.listed, complete });
    if (!dryRun) await remember(log.database, { unlisted: undefined });
  }
  return { ...counts, complete };

  /** For the gate of the cycles to come, which delete on the word of this listing. */
  async function note(listing: NonNullable<CycleMemory['listing']>): Promise<void> {
    if (!dryRun) await remember(log.database, { listing });
  }

  async function takePage(page: ListingPage): Promise<void> {
    const poison: Poison[] = [];
    const found = new Map<string, ListedObject>();
    for (const object of page.objects) {
      const checked = pathOfObject(paths.get(object.key) ?? object.key, object.size);
      if ('path' in checked) found.set(checked.path, object);
      else poison.push(poisonOf(object, checked.problem));
    }
    counts.unrepresentable += poison.length;
    const names = JSON.stringify([...found.keys()]);
    await database.run('INSERT OR IGNORE INTO listed SELECT value FROM json_each(?)', [names]);
    const rows = await database.all<Pick<FileRow, 'path' | 'key' | 'size' | 'etag'>>(
      'SELECT path, key, size, etag FROM file WHERE path IN (SELECT value FROM json_each(?))',
      [names],
    );
    const known = new Map(rows.map((row) => [row.path, row]));
    const wanted = [...found].filter(([path, object]) => {
      const row = known.get(path);
      if (!row) counts.missing += 1;
      else if (isKnown(row, object)) return false;
      // A folder marker's row may come from an event without a size.
      else if (path.endsWith('/') && row.size === null) return false;
      else counts.stale += 1;
      return true;
    });
    if (dryRun || (wanted.length === 0 && poison.length === 0)) return;
    failpoint('scan.page.before');
    const events = await lastValueFrom(
      from(wanted).pipe(
        mergeMap(([path, object]) => createOf(path, object, page.observedAt), headConcurrency),
        toArray(),
      ),
    );
    await log.append(events, poison);
    failpoint('scan.page.appended');
    await projector.catchUp();
  }

  async function createOf(path: string, object: ListedObject, time: string): Promise<BucketEvent> {
    const permissions = path.endsWith('/') ? undefined : await permissionsOf(object);
    return {
      id: `scan:${scanId}:${object.key}`,
      type: 'create',
      time,
      path,
      size: object.size,
      etag: object.etag,
      modifiedAt: object.modifiedAt,
      ...(object.key !== path && { key: object.key }),
      ...(permissions !== undefined && { permissions }),
      source: 'scan',
    };
  }

  async function permissionsOf({ key, etag }: ListedObject): Promise<string | undefined> {
    const within = signal ? { signal } : {};
    const facts = options.metadata ? await bucket.head(key, within) : undefined;
    if (facts?.permissions !== undefined) return facts.etag === etag ? facts.permissions : undefined;
    return options.acl ? bucket.aclPermissions(key, within) : undefined;
  }

  async function takeGone(): Promise<void> {
    for (let after = ''; ; ) {
      const rows = await database.all<{ path: string }>(
        `SELECT path FROM file WHERE path > ? AND "offset" <= ? AND path NOT IN (SELECT path FROM listed)
         AND substr(coalesce(key, path), 1, ?) = ? ORDER BY path LIMIT ${pageRows}`,
        [after, startedAt, [...(prefix ?? '')].length, prefix ?? ''],
      );
      const last = rows.at(-1);
      if (!last) return;
      after = last.path;
      counts.gone += rows.length;
      if (dryRun) continue;
      failpoint('scan.gone.before');
      await log.append(rows.map(({ path }) => deleteOf(path)));
      failpoint('scan.gone.appended');
    }
  }

  function deleteOf(path: string): BucketEvent {
    const marker = path.endsWith('/') && { scope: 'marker' as const };
    return { id: `scan:${scanId}:gone:${path}`, type: 'delete', time: observedAt, path, ...marker, source: 'scan' };
  }
};

/** Whether the row says all that the listing does. */
const isKnown = ({ path, key, size, etag }: Pick<FileRow, 'path' | 'key' | 'size' | 'etag'>, object: ListedObject) =>
  (key ?? path) === object.key && size === object.size && (etag === null || etag === object.etag);

const poisonOf = (object: ListedObject, reason: string): Poison => ({
  source: 'scan',
  deliveryId: object.key,
  reason,
  attributes: {},
  body: Buffer.from(JSON.stringify(object)),
});
