import type { BucketEvent, Recorded } from '../../events/event.ts';
import { justAfter, timeKey } from '../../events/order.ts';
import { keysOf, keysTouching } from '../../projections/file/paths.ts';
import { clocksApartMs } from '../bucket/clocks.ts';
import { eventColumnList } from '../log/columns.ts';
import { type EventRow, eventOf } from '../log/rows.ts';
import type { Projector } from '../projector/projector.ts';

/**
 * When what a listing tells of a path took place, where that is not the time at which the bucket answered. Paths of which
 * that is so are left out.
 */
export type Places = (paths: readonly string[], observedAt: string) => Promise<ReadonlyMap<string, string>>;

const pageRows = 5_000;

/**
 * How far back the log is looked through, as the text of a second. What is dated a little ahead, since a clock is, or since
 * `since` has whole seconds, came no longer than that before. For what is dated further ahead it is the whole log.
 */
const beginOf = (since: string, furthest: string): string => {
  const sinceMs = Date.parse(since);
  const isFar = Date.parse(`${furthest}Z`) > sinceMs + clocksApartMs;
  return isFar ? '' : secondOf(new Date(sinceMs - clocksApartMs).toISOString());
};

/** Text of one second sorts by its length: what is greater than this is that second, whole, and all after it. */
const secondOf = (time: string): string => time.slice(0, 'yyyy-mm-ddThh:mm:ss'.length);

/**
 * An event that was in the log before the listing began happened before it, whatever its time says: a clock was ahead. What
 * the listing tells then takes place just after the newest such event that touches the path. One that came meanwhile keeps
 * its place: it may know more than the listing.
 *
 * `startedAt`: the log's last offset before the listing; `since`: when its first page was answered. Only where the views know
 * of an event that is dated after `since` is the log looked through, once, from its end. In a busy bucket that is so each time,
 * but only the end then matters.
 */
export const createPlaces = ({ database, meta }: Projector, startedAt: number, since: string): Places => {
  const reaches = Object.values(meta().fileFold.frontier).map(({ time }) => time);
  const furthest = reaches.sort().at(-1) ?? '';
  const isAhead = furthest > timeKey(since);
  let collected: Promise<void> | undefined;

  const collect = async (): Promise<void> => {
    await database.exec(
      'CREATE TEMP TABLE IF NOT EXISTS ahead (key TEXT PRIMARY KEY, time TEXT NOT NULL) WITHOUT ROWID; DELETE FROM ahead;',
    );
    const begin = beginOf(since, furthest);
    for (let end = startedAt; end > 0; end -= pageRows) {
      const page = [end - pageRows, end];
      const rows = await database.all<EventRow>(
        `SELECT ${eventColumnList} FROM log.event
         WHERE "offset" > ? AND "offset" <= ? AND time > ? AND type <> 'outcome'`,
        [...page, secondOf(since)],
      );
      const events = rows.map((row) => eventOf(row) as Recorded<BucketEvent>);
      const entries = events.flatMap((event) => keysOf(event).map((key) => [key, timeKey(event.time)]));
      await database.run(
        `INSERT INTO ahead SELECT value->>0, max(value->>1) FROM json_each(?) GROUP BY 1
         ON CONFLICT (key) DO UPDATE SET time = max(time, excluded.time)`,
        [JSON.stringify(entries)],
      );
      const found = await database.get<{ newest: string }>(
        'SELECT max(time) AS newest FROM log.event WHERE "offset" > ? AND "offset" <= ?',
        page,
      );
      if (found && found.newest < begin) return;
    }
  };

  return async (paths, observedAt) => {
    if (!isAhead || paths.length === 0) return new Map();
    collected ??= collect();
    await collected;
    const touching = paths.flatMap((path) => keysTouching(path).map((key) => [path, key]));
    const rows = await database.all<{ path: string; time: string }>(
      `SELECT value->>0 AS path, max(time) AS time FROM json_each(?) JOIN ahead ON ahead.key = value->>1 GROUP BY 1`,
      [JSON.stringify(touching)],
    );
    const later = rows.filter(({ time }) => time > timeKey(observedAt));
    return new Map(later.map(({ path, time }) => [path, justAfter(time)]));
  };
};
