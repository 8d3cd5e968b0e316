import { randomUUID } from 'node:crypto';
import type { BucketEvent } from '../../events/event.ts';
import { timeKey } from '../../events/order.ts';
import type { FileRow } from '../../projections/rows.ts';
import type { Bucket, BucketIdentity, ObjectFacts } from '../bucket/bucket.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { askEach } from '../intake/ask-each.ts';
import { createPlaces } from '../scan/places.ts';
import { named } from './facts.ts';
import { recall } from './memory.ts';
import { supersededSchedule, type UnreadableSchedule } from './unreadable.ts';

export type AskOptions = {
  readonly workspace: Workspace;
  readonly bucket: Bucket;
  readonly signal?: AbortSignal | undefined;
};

export type AskAgainOptions = AskOptions & {
  /** Whether an object's ACL counts where its metadata states no permissions. */
  readonly acl?: boolean | undefined;
  readonly superseded?: UnreadableSchedule | undefined;
  readonly now?: (() => number) | undefined;
};

type Row = Pick<FileRow, 'path' | 'key' | 'size' | 'etag'>;

/** Tries that an event which is late has, or a store which shows an object later than it tells of it: seven minutes. */
const triesBefore = 3;
const atOnce = 1_000;

/**
 * Asks the bucket about objects that were superseded again and again, and records what stands there: the event that says so
 * may never come, or have come already and be taken for an older one. What is recorded has the time at which the bucket
 * answered, as what a scan finds does, and goes on like any other event. While the bucket cannot be asked, nothing is
 * recorded; the next try asks again. Nor is it where another bucket is configured than the file manager was filled from: what
 * that one lacks says nothing.
 */
export const askSuperseded = async (options: AskAgainOptions): Promise<void> => {
  const rows = await dueRows(options);
  if (rows.length === 0 || !(await isSameBucket(options))) return;
  const askId = randomUUID().slice(0, 8);
  const { log, projector } = options.workspace;
  const startedAt = await projector.catchUp();
  const events: BucketEvent[] = [];
  const ask = async (row: Row): Promise<void> => {
    const found = await foundFor(row, askId, options);
    if (found) events.push(found);
  };
  // An object that may not be read says nothing, nor does a bucket that is away, or a stop.
  await askEach(rows, ask, options.signal).catch((error: unknown) => {
    if (!options.signal?.aborted) throw error;
  });
  if (events.length > 0) await log.append(await placed(events, projector, startedAt));
};

/** Before the first plan was carried out no bucket is remembered, and any is right. */
export const isRemembered = async (
  { workspace }: AskOptions,
  { identity }: { readonly identity: BucketIdentity },
): Promise<boolean> => {
  const { bucket: before } = await recall(workspace.log.database);
  return !before || named(before, identity) === named(identity, before);
};

/** One that does not tell is none: the gate asks it too, and says why. */
const isSameBucket = async (options: AskOptions): Promise<boolean> => {
  const { bucket, signal } = options;
  const asked = await bucket.identify(signal ? { signal } : {}).catch(() => undefined);
  return asked !== undefined && (await isRemembered(options, asked));
};

/** What was in the log before the bucket was asked happened before that, also where a clock was ahead. */
export const placed = async (
  events: readonly BucketEvent[],
  projector: Workspace['projector'],
  startedAt: number,
): Promise<readonly BucketEvent[]> => {
  const [since = ''] = events.map(({ time }) => time).sort();
  const paths = events.map(({ path }) => path);
  const places = await createPlaces(projector, startedAt, since)(paths, since);
  return events.map((event) => {
    const later = places.get(event.path);
    return later !== undefined && timeKey(later) > timeKey(event.time) ? { ...event, time: later } : event;
  });
};

/** Those whose next try is due, as they stand in the tables now. */
const dueRows = async ({ workspace, now = Date.now, superseded }: AskAgainOptions): Promise<readonly Row[]> => {
  const nowMs = now();
  // A time further away than any wait was written before the clock was set back.
  const latest = nowMs + (superseded ?? supersededSchedule).mostMs;
  return workspace.projector.database.all<Row>(
    // Never from all that differs, of which there may be millions: CROSS JOIN keeps the order.
    `SELECT f.path, f.key, f.size, f.etag FROM superseded AS s
     CROSS JOIN file AS f ON f.path = s.path AND f."offset" = s."offset" CROSS JOIN dirty AS d ON d.path = s.path
     WHERE s.tries >= ${triesBefore} AND (s.next_at <= ? OR s.next_at > ?)
     ORDER BY s.next_at, s.path LIMIT ${atOnce}`,
    [new Date(nowMs).toISOString(), new Date(latest).toISOString()],
  );
};

/** What the bucket says of the row's object; undefined where that is what the row says. */
const foundFor = async (row: Row, askId: string, options: AskAgainOptions): Promise<BucketEvent | undefined> => {
  const { bucket, signal } = options;
  const key = row.key ?? row.path;
  const within = signal ? { signal } : {};
  const facts = await bucket.head(key, within);
  const about = { id: `scan:${askId}:${row.path}`, path: row.path, source: 'scan' } as const;
  if (!facts) {
    const time = await goneSince(key, options);
    return time === undefined ? undefined : { ...about, type: 'delete', time };
  }
  if (row.size === facts.size && row.etag === facts.etag) return undefined;
  const permissions = await permissionsOf(facts, options);
  return {
    ...about,
    type: 'create',
    time: facts.observedAt,
    size: facts.size,
    etag: facts.etag,
    modifiedAt: facts.modifiedAt,
    ...(row.key !== null && { key: row.key }),
    ...(permissions !== undefined && { permissions }),
  };
};

const permissionsOf = async (
  { key, permissions }: ObjectFacts,
  { bucket, acl, signal }: AskAgainOptions,
): Promise<string | undefined> =>
  permissions === undefined && acl ? bucket.aclPermissions(key, signal ? { signal } : {}) : permissions;

/** When a listing lacked the key, by the bucket's clock: of what is not there, that alone tells the time. */
const goneSince = async (key: string, { bucket, signal }: AskAgainOptions): Promise<string | undefined> => {
  for await (const { objects, observedAt } of bucket.list({ prefix: key, ...(signal && { signal }) }))
    return objects.some((object) => object.key === key) ? undefined : observedAt;
  return undefined;
};
