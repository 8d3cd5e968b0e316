import type { Step } from '../plan/operation.ts';
import type { Database, Queries } from '../storage/database.ts';

/**
 * What could not be carried over, how often it was tried, and when it comes up again. Tables beside the projections, and no
 * fold: a rebuild forgets them, which costs one more try of each. Another event about the object makes it another row of
 * the file table, and it is tried at once.
 * - `unreadable`: it is there and cannot be read (archived, denied, encrypted with a key that we lack).
 * - `superseded`: it has changed or is gone. The event that says so may be late; later the bucket is asked (ask-again.ts).
 * - `failed`: its operation failed. It is tried in the next cycle, after what failed less often.
 * - `unanswered`: its operation is under way, and the file manager said nothing about it. It is asked again in the next cycle,
 *   and then after ever longer.
 */
export type WaitingTable = 'unreadable' | 'superseded' | 'failed' | 'unanswered';

export type Unreadable = {
  readonly path: string;
  readonly reason: string;
  readonly tries: number;
  /** RFC 3339, UTC. */
  readonly since: string;
  readonly next_at: string;
};

export type UnreadableSchedule = {
  /** Wait after the first failed try; doubles with each further one. */
  readonly firstMs: number;
  readonly mostMs: number;
};

export const unreadableSchedule: UnreadableSchedule = { firstMs: 15 * 60_000, mostMs: 24 * 3_600_000 };

/** A store that shows an object later than it tells of it is asked again soon; an event that is late may be very late. */
export const supersededSchedule: UnreadableSchedule = { firstMs: 60_000, mostMs: 3_600_000 };

/** Soon, since a file manager that was away may be back; and seldom, since to wait for an answer in vain takes minutes. */
export const unansweredSchedule: UnreadableSchedule = { firstMs: 30_000, mostMs: 900_000 };

/** In the next cycle. */
export const atOnce: UnreadableSchedule = { firstMs: 0, mostMs: 0 };

const tableOf = (name: WaitingTable): string => `CREATE TABLE IF NOT EXISTS ${name} (
  path TEXT NOT NULL PRIMARY KEY, "offset" INTEGER NOT NULL, reason TEXT NOT NULL, tries INTEGER NOT NULL,
  since TEXT NOT NULL, next_at TEXT NOT NULL) WITHOUT ROWID;`;

export const prepareWaiting = (database: Pick<Database, 'exec'>): Promise<void> =>
  database.exec(tableOf('unreadable') + tableOf('superseded') + tableOf('failed') + tableOf('unanswered'));

/** All that the table holds, by path: the offsets of the rows that were tried. What comes up next is first. */
export const triedIn = async (
  queries: Pick<Queries, 'all'>,
  table: WaitingTable,
): Promise<ReadonlyMap<string, number>> => {
  const rows = await queries.all<{ path: string; offset: number }>(
    `SELECT path, "offset" FROM ${table} ORDER BY next_at`,
  );
  return new Map(rows.map(({ path, offset }) => [path, offset]));
};

/** The same of those whose time has not come yet. */
export const waitingIn = async (
  queries: Pick<Queries, 'all'>,
  table: WaitingTable,
  nowMs: number,
  { mostMs }: UnreadableSchedule,
): Promise<ReadonlyMap<string, number>> => {
  // A time further away than any wait was written before the clock was set back.
  const range = [new Date(nowMs).toISOString(), new Date(nowMs + mostMs).toISOString()];
  const rows = await queries.all<{ path: string; offset: number }>(
    `SELECT path, "offset" FROM ${table} WHERE next_at > ? AND next_at <= ?`,
    range,
  );
  return new Map(rows.map(({ path, offset }) => [path, offset]));
};

/** Where the object is to be, also when a rename turned out to need its bytes. */
export const placeOf = ({ operation }: Step): string => operation.to ?? operation.path;

/** Whether the step is one of those that are known by path and offset. */
export const isAmong = (known: ReadonlyMap<string, number>, step: Step): boolean =>
  known.get(placeOf(step)) === step.operation.to_offset;

/** A step that was not carried out, and why. */
export type Failed = { readonly step: Step; readonly reason: string };

/**
 * Keeps what could not be carried over in this cycle, with its next time, and forgets what is no longer to be. Returns how
 * many are there for the first time.
 */
export const noteWaiting = async (
  database: Database,
  table: 'unreadable' | 'superseded',
  failed: readonly Failed[],
  nowMs: number,
  schedule: UnreadableSchedule,
): Promise<number> => {
  await database.run(`DELETE FROM ${table} WHERE path NOT IN (SELECT path FROM dirty)`);
  return noteTries(database, table, failed, nowMs, schedule);
};

/**
 * The same of the steps that failed. What is planned no more is forgotten, but for what differs still: it may be in another
 * lot, or left out for an open place. Whole folders and temporary names are places too, and never dirty.
 */
export const noteFailed = async (
  database: Database,
  planned: readonly Step[],
  failed: readonly Failed[],
  nowMs: number,
): Promise<void> => {
  const over = new Map(await triedIn(database, 'failed'));
  if (over.size > 0) for (const step of planned) if (isAmong(over, step)) over.delete(placeOf(step));
  await database.run(
    `DELETE FROM failed WHERE path IN (SELECT value FROM json_each(?)) AND path NOT IN (SELECT path FROM dirty)`,
    [JSON.stringify([...over.keys()])],
  );
  await noteTries(database, 'failed', failed, nowMs, atOnce);
};

/** Keeps what could not be carried over, with its next time, and forgets nothing. Returns how many are there for the first time. */
export const noteTries = async (
  database: Database,
  table: WaitingTable,
  failed: readonly Failed[],
  nowMs: number,
  { firstMs, mostMs }: UnreadableSchedule,
): Promise<number> => {
  if (failed.length === 0) return 0;
  const known = new Map(
    (
      await database.all<{ path: string; offset: number; tries: number; since: string }>(
        `SELECT path, "offset", tries, since FROM ${table} WHERE path IN (SELECT value FROM json_each(?))`,
        [JSON.stringify(failed.map(({ step }) => placeOf(step)))],
      )
    ).map((row) => [row.path, row]),
  );
  let fresh = 0;
  const rows = failed.map(({ step, reason }) => {
    const path = placeOf(step);
    const offset = step.operation.to_offset;
    const before = known.get(path);
    const same = before?.offset === offset ? before : undefined;
    if (!same) fresh += 1;
    const tries = (same?.tries ?? 0) + 1;
    const waitMs = Math.min(mostMs, firstMs * 2 ** Math.min(tries - 1, 30));
    const since = same?.since ?? new Date(nowMs).toISOString();
    return [path, offset, reason, tries, since, new Date(nowMs + waitMs).toISOString()];
  });
  await database.run(
    `INSERT OR REPLACE INTO ${table} SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5
     FROM json_each(?)`,
    [JSON.stringify(rows)],
  );
  return fresh;
};

/** Tells of a step in how many cycles it has failed so far. */
export const timesFailedOf = async (queries: Pick<Queries, 'all'>): Promise<(step: Step) => number> => {
  const rows = await queries.all<{ path: string; offset: number; tries: number }>(
    'SELECT path, "offset", tries FROM failed',
  );
  const known = new Map(rows.map((row) => [row.path, row]));
  return (step) => {
    const row = known.get(placeOf(step));
    return row?.offset === step.operation.to_offset ? row.tries : 0;
  };
};

export type UnreadableSummary = { readonly objects: number; readonly first: readonly Unreadable[] };

/** How many objects wait, and those that are tried next. None where no cycle has run yet. */
export const readWaiting = async (
  queries: Pick<Queries, 'get' | 'all'>,
  table: WaitingTable,
): Promise<UnreadableSummary> => {
  const known = await queries.get('SELECT 1 FROM sqlite_schema WHERE name = ?', [table]);
  if (!known) return { objects: 0, first: [] };
  // A cycle that is held forgets nothing; of what another event has come about, the next try is none of these. What is under
  // way is asked about whatever comes, and may be a delete, or of a whole folder.
  // From the few that wait outwards (CROSS JOIN keeps the order): of all that differs there may be millions.
  const isWanted = 'CROSS JOIN file USING (path, "offset") CROSS JOIN dirty USING (path)';
  const waiting = `FROM ${table} ${table === 'unanswered' ? '' : isWanted}`;
  const counted = await queries.get<{ objects: number }>(`SELECT count(*) AS objects ${waiting}`);
  const first = await queries.all<Unreadable>(
    `SELECT path, reason, tries, since, next_at ${waiting} ORDER BY next_at, path LIMIT 10`,
  );
  return { objects: counted?.objects ?? 0, first };
};
