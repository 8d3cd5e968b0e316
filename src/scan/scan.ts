import { randomUUID } from 'node:crypto';
import { from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import type { BucketEvent } from '../../events/event.ts';
import { pathOfObject } from '../../events/keys.ts';
import { timeKey } from '../../events/order.ts';
import type { FileRow } from '../../projections/rows.ts';
import type { Bucket, ListedObject, ListingPage } from '../bucket/bucket.ts';
import { FailingObjectError } from '../bucket/errors.ts';
import { type CycleMemory, type Listed, remember, rememberListing } from '../cycle/memory.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { messageOf } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import { askEach, askOne, insistNotAway } from '../intake/ask-each.ts';
import type { Poison } from '../log/quarantine.ts';
import { createAskPermissions } from './ask-permissions.ts';
import { createNamesakes } from './namesakes.ts';
import { createPassing } from './passing.ts';
import { pathsByKey } from './paths-by-key.ts';
import { createPlaces, type Places } from './places.ts';
import { permissionsOfRewritten } from './rewritten.ts';

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
  /** Objects that the projection lacked; these counts are of what took effect. */
  readonly missing: number;
  readonly stale: number;
  /** Files of the projection that the bucket does not hold any more. */
  readonly gone: number;
  /** Files that the listing lacks, and whose object is there when it is asked for, or may be: the bucket has no answer. */
  readonly unlisted: number;
  /** Keys that no path can stand for; they are in quarantine. */
  readonly unrepresentable: number;
  /** What was appended and has no effect: of these paths an event that came meanwhile says otherwise. */
  readonly overtaken: number;
  /** Objects whose permissions cannot be read; they are recorded without, or left to another listing. */
  readonly unread: number;
  /** False when a signal ended the listing early: nothing was taken for gone. */
  readonly complete: boolean;
};

type Row = Pick<FileRow, 'path' | 'key' | 'size' | 'etag' | 'permissions'>;
type Lacking = { readonly path: string; readonly key: string };

const headConcurrency = 16;
const pageRows = 1_000;
/** Objects that are asked for, since the listing lacks them. A listing that was right about all of these is taken at its word. */
const askedMax = 10_000;

/**
 * The bucket scan is a source like any other: it lists the bucket and appends what the log does not know as events.
 * Their time is the moment the bucket's own clock gave for the page that passed the path (passing.ts), so an event that was
 * under way meanwhile finds its place before or after; it is later where an event that came before the listing is dated
 * after it (places.ts).
 * Deletes are appended only after a complete listing, only for rows that are older than it, and only where the bucket does
 * not show the object when it is asked for: a store may list later than it stores, or end a listing early. Started again
 * after a crash it appends what is still missing.
 */
export const scanBucket = async (options: ScanOptions): Promise<ScanResult> => {
  const { workspace, bucket, prefix, signal, onProgress, dryRun } = options;
  const { log, projector } = workspace;
  const { database } = projector;
  const scanId = randomUUID().slice(0, 8);
  const startedAt = await projector.catchUp();
  const counts = { listed: 0, missing: 0, stale: 0, gone: 0, unlisted: 0, unrepresentable: 0, overtaken: 0, unread: 0 };
  await database.exec(
    'CREATE TEMP TABLE IF NOT EXISTS listed (path TEXT PRIMARY KEY) WITHOUT ROWID; DELETE FROM listed;',
  );
  const pathsOfKeys = await pathsByKey(database);
  const askPermissions = createAskPermissions(options, () => void (counts.unread += 1));
  const { leftOut } = askPermissions;
  const namesakes = createNamesakes(pathsOfKeys, prefix);
  let observedAt = '';
  const passing = createPassing();
  let places: Places | undefined;
  let listedFrom = '';
  let complete = false;
  try {
    for await (const page of bucket.list({ ...(prefix !== undefined && { prefix }), ...(signal && { signal }) })) {
      if (listedFrom === '') {
        listedFrom = page.observedAt;
        await noteTimes({ from: listedFrom });
      }
      observedAt = page.observedAt;
      passing.note(page);
      places ??= createPlaces(projector, startedAt, observedAt);
      counts.listed += page.objects.length;
      await takePage(namesakes.apart(page));
      onProgress?.(counts.listed);
      complete = page.last;
    }
  } catch (error) {
    // Of a listing that showed nothing, no event was made.
    const hasBegun = listedFrom !== '';
    if (hasBegun) await noteTimes({ from: listedFrom, to: observedAt });
    if (signal?.aborted) return { ...counts, complete };
    if (hasBegun && prefix === undefined)
      await note({ objects: counts.listed, complete: false, error: messageOf(error) });
    throw error;
  }
  if (complete) for (const page of namesakes.left()) await takePage(page);
  await noteTimes({ from: listedFrom, to: observedAt });
  if (complete) complete = await takeGone();
  if (complete && prefix === undefined) {
    await note({ objects: counts.listed, complete });
    if (!dryRun && leftOut.size === 0) await remember(log.database, { unlisted: false });
  }
  return { ...counts, complete };

  /** For the gate of the cycles to come, which delete on the word of this listing. */
  async function note(listing: NonNullable<CycleMemory['listing']>): Promise<void> {
    if (!dryRun) await remember(log.database, { listing });
  }

  /** For the intake: what happened about then may be told of by events that are still to come. */
  async function noteTimes(listed: Listed): Promise<void> {
    if (!dryRun) await rememberListing(log.database, listed);
  }

  async function takePage(page: ListingPage): Promise<void> {
    const poison: Poison[] = [];
    const found = new Map<string, ListedObject>();
    for (const object of page.objects) {
      const checked = pathOfObject(pathsOfKeys.get(object.key) ?? object.key, object.size);
      if ('path' in checked) found.set(checked.path, object);
      else poison.push(poisonOf(object, checked.problem));
    }
    counts.unrepresentable += poison.length;
    const names = [...found.keys()];
    await database.run('INSERT OR IGNORE INTO listed SELECT value FROM json_each(?)', [JSON.stringify(names)]);
    const rows = await rowsAt(names);
    const known = new Map([...found].filter(([path, object]) => !lackOf(rows.get(path), object)));
    const mayDiffer = options.metadata || options.acl ? known : new Map<string, ListedObject>();
    const asked = await permissionsOfRewritten(database, mayDiffer, askPermissions.of, signal);
    const wanted = [...found].flatMap(([path, object]) => {
      const lack = lackOf(rows.get(path), object, asked.get(path));
      return lack === undefined ? [] : [{ path, object, lack }];
    });
    for (const { lack } of wanted) counts[lack] += 1;
    if (dryRun || (wanted.length === 0 && poison.length === 0)) return;
    failpoint('scan.page.before');
    const paths = wanted.map(({ path }) => path);
    const timeAt = await placed(paths, () => page.observedAt);
    const events = await lastValueFrom(
      from(wanted).pipe(
        mergeMap(({ path, object }) => createOf(path, object, timeAt(path), asked.get(path)), headConcurrency),
        toArray(),
      ),
    );
    await log.append(
      events.filter(({ path }) => !leftOut.has(path)),
      poison,
    );
    failpoint('scan.page.appended');
    await projector.catchUp();
    const after = await rowsAt(paths);
    for (const { path, object, lack } of wanted)
      if (leftOut.has(path)) counts[lack] -= 1;
      else if (lackOf(after.get(path), object, asked.get(path))) overtake(lack);
  }

  async function rowsAt(paths: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    const rows = await database.all<Row>(
      'SELECT path, key, size, etag, permissions FROM file WHERE path IN (SELECT value FROM json_each(?))',
      [JSON.stringify(paths)],
    );
    return new Map(rows.map((row) => [row.path, row]));
  }

  function overtake(kind: 'missing' | 'stale' | 'gone'): void {
    counts[kind] -= 1;
    counts.overtaken += 1;
  }

  /** When what the listing tells of these paths took place; it passed each of them at `passedAt`. */
  async function placed(paths: string[], passedAt: (path: string) => string): Promise<(path: string) => string> {
    const laterAt = await places?.(paths, listedFrom);
    return (path) => {
      const [at, later] = [passedAt(path), laterAt?.get(path)];
      return later !== undefined && timeKey(later) > timeKey(at) ? later : at;
    };
  }

  async function createOf(path: string, object: ListedObject, time: string, asked?: string): Promise<BucketEvent> {
    const permissions = path.endsWith('/') ? undefined : (asked ?? (await askPermissions.of(object, path)));
    return {
      id: `scan:${scanId}:found:${object.key}`,
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

  /** Resolves with whether all is done; a signal ends it early. */
  async function takeGone(): Promise<boolean> {
    for (let after = '', asked = 0; ; asked += pageRows) {
      const lacking = await database.all<Lacking>(
        `SELECT path, coalesce(key, path) AS key FROM file
         WHERE path > ? AND "offset" <= ? AND path NOT IN (SELECT path FROM listed)
           AND substr(coalesce(key, path), 1, ?) = ? ORDER BY path LIMIT ${pageRows}`,
        [after, startedAt, [...(prefix ?? '')].length, prefix ?? ''],
      );
      const last = lacking.at(-1);
      if (!last) return true;
      after = last.path;
      const isDoubtful = asked < askedMax || counts.unlisted > 0;
      const rows = isDoubtful ? await withoutStanding(lacking) : lacking;
      if (!rows) return false;
      counts.unlisted += lacking.length - rows.length;
      counts.gone += rows.length;
      if (dryRun || rows.length === 0) continue;
      failpoint('scan.gone.before');
      const paths = rows.map(({ path }) => path);
      const keys = new Map(rows.map(({ path, key }) => [path, key]));
      const timeAt = await placed(paths, (path) => passing.at(keys.get(path) as string));
      await log.append(paths.map((path) => deleteOf(path, timeAt(path))));
      failpoint('scan.gone.appended');
      await projector.catchUp();
      for (const _ of (await rowsAt(paths)).keys()) overtake('gone');
    }
  }

  /**
   * Of an object that may not be asked about, the listing tells; it has told of one that stands for another path. One that
   * the bucket has no answer about may stand. Undefined when a signal ended it early.
   */
  async function withoutStanding(lacking: readonly Lacking[]): Promise<readonly Lacking[] | undefined> {
    const standing = new Set<Lacking>();
    const ask = async (row: Lacking): Promise<void> => {
      const facts = await askOne(() => bucket.head(row.key, signal ? { signal } : {}), bucket, signal);
      if (facts && 'path' in pathOfObject(row.path, facts.size)) standing.add(row);
    };
    const open = lacking.filter(({ path, key }) => (pathsOfKeys.get(key) ?? key) === path);
    const unanswered = await askEach(open, ask, signal).catch((error: unknown) => {
      if (!signal?.aborted) throw error;
      return undefined;
    });
    if (!unanswered) return undefined;
    insistNotAway(unanswered);
    for (const { asked, error } of unanswered) if (error instanceof FailingObjectError) standing.add(asked);
    return lacking.filter((row) => !standing.has(row));
  }

  function deleteOf(path: string, time: string): BucketEvent {
    const marker = path.endsWith('/') && { scope: 'marker' as const };
    return { id: `scan:${scanId}:gone:${path}`, type: 'delete', time, path, ...marker, source: 'scan' };
  }
};

/** What the file table lacks of an object; undefined where its row says all that the listing does, and the permissions asked for. */
const lackOf = (row: Row | undefined, object: ListedObject, asked?: string): 'missing' | 'stale' | undefined => {
  if (!row) return 'missing';
  const { path, key, size, etag } = row;
  // A folder marker's row may come from an event without a size.
  if (path.endsWith('/') && size === null) return undefined;
  const isKnown = (key ?? path) === object.key && size === object.size && (etag === null || etag === object.etag);
  return isKnown && (asked === undefined || asked === row.permissions) ? undefined : 'stale';
};

const poisonOf = (object: ListedObject, reason: string): Poison => ({
  source: 'scan',
  deliveryId: object.key,
  reason,
  attributes: {},
  body: Buffer.from(JSON.stringify(object)),
});
