import type { BucketEvent, Recorded } from '../../events/event.ts';
import { justAfter, timeKey } from '../../events/order.ts';
import { keysOf, keysTouching } from '../../projections/file/paths.ts';
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
 * An event that was in the log before the listing began happened before it, whatever its time says: a clock was ahead. What
 * the listing tells then takes place just after the newest such event that touches the path. One that came meanwhile keeps
 * its place: it may know more than the listing.
 *
 * `startedAt`: the log's last offset before the listing; `since`: when its first page was answered. The log is looked
 * through once, and only where the views know of an event that is dated after `since`.
 */
export const createPlaces = ({ database, meta }: Projector, startedAt: number, since: string): Places => {
  const reaches = Object.values(meta().fileFold.frontier).map(({ time }) => time);
  const isAhead = reaches.some((time) => time > timeKey(since));
  let collected: Promise<void> | undefined;

  const collect = async (): Promise<void> => {
    await database.exec(
      'CREATE TEMP TABLE IF NOT EXISTS ahead (key TEXT PRIMARY KEY, time TEXT NOT NULL) WITHOUT ROWID; DELETE FROM ahead;',
    );
    // Text of one second sorts by its length; that second is taken whole.
    const second = since.slice(0, 19);
    for (let after = 0; ; ) {
      const rows = await database.all<EventRow>(
        `SELECT ${eventColumnList} FROM log.event
         WHERE "offset" > ? AND "offset" <= ? AND time > ? AND type <> 'outcome' ORDER BY "offset" LIMIT ${pageRows}`,
        [after, startedAt, second],
      );
      const events = rows.map((row) => eventOf(row) as Recorded<BucketEvent>);
      const entries = events.flatMap((event) => keysOf(event).map((key) => [key, timeKey(event.time)]));
      await database.run(
        `INSERT INTO ahead SELECT value->>0, max(value->>1) FROM json_each(?) GROUP BY 1
         ON CONFLICT (key) DO UPDATE SET time = max(time, excluded.time)`,
        [JSON.stringify(entries)],
      );
      after = events.at(-1)?.offset ?? startedAt;
      if (events.length < pageRows) return;
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
