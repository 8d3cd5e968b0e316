import { join } from 'node:path';
import test from 'ava';
import type { BucketEvent } from '../../events/event.ts';
import { openLog } from '../../src/log/log.ts';
import { openProjector } from '../../src/projector/projector.ts';
import { createPlaces } from '../../src/scan/places.ts';
import type { SqlValue } from '../../src/storage/database.ts';
import { freshFolder } from '../support/folder.ts';

const startMs = Date.UTC(2026, 0, 1);
const timeAt = (second: number): string => new Date(startMs + second * 1_000).toISOString();

/** A log of so many events, one each second, and one more that was dated as told when so many of them had come. */
const logOf = async (count: number, ahead: { readonly after: number; readonly second: number }) => {
  const folder = await freshFolder();
  const logPath = join(folder, 'events.db');
  const log = await openLog(logPath);
  const projector = await openProjector({ path: join(folder, 'projections.db'), logPath, logId: log.logId });
  const createAt = (path: string, second: number): BucketEvent => ({
    id: path,
    type: 'create',
    time: timeAt(second),
    path,
    size: 1,
    source: 'native',
  });
  const events = Array.from({ length: count }, (_, second) => createAt(`f${second}`, second));
  await log.append(events.slice(0, ahead.after));
  await log.append([createAt('ahead', ahead.second)]);
  await log.append(events.slice(ahead.after));
  await projector.catchUp();
  return { log, projector };
};

/** When a listing that begins in the second of the newest event places the path, and how many rows of the log it looked at. */
const placed = async (count: number, ahead: { readonly after: number; readonly second: number }) => {
  const { log, projector } = await logOf(count, ahead);
  const { database } = projector;
  let rows = 0;
  const watched = async <T>(sql: string, parameters: readonly SqlValue[] = []): Promise<T[]> => {
    if (/FROM log\.event/.test(sql)) {
      const [from, to] = parameters as number[];
      rows += Math.min(to ?? 0, count + 1) - Math.max(from ?? 0, 0);
    }
    return database.all<T>(sql, parameters);
  };
  const get = async <T>(sql: string, parameters?: readonly SqlValue[]) => (await watched<T>(sql, parameters))[0];
  const since = `${timeAt(count - 1).slice(0, 19)}Z`;
  const places = createPlaces({ ...projector, database: { ...database, all: watched, get } }, await log.last(), since);
  const times = await places(['ahead'], since);
  await projector.close();
  await log.close();
  return { time: times.get('ahead'), rows };
};

test.serial('a listing in the second of an event looks at the end of the log alone, however long it is', async (t) => {
  const costOf = async (count: number): Promise<number> => {
    const { time, rows } = await placed(count, { after: count, second: count - 0.5 });
    t.is(time, `${timeAt(count - 0.5).slice(0, 23)}000001Z`);
    return rows;
  };
  const [few, many] = [await costOf(11_000), await costOf(30_000)];
  t.is(many, few);
});

test.serial('what a clock dated that was far ahead is found wherever it is in the log', async (t) => {
  const { time } = await placed(20_000, { after: 2_000, second: 20_100 });
  t.is(time, `${timeAt(20_100).slice(0, 23)}000001Z`);
});
