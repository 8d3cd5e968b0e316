import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { BucketEvent } from '../../events/event.ts';
import { openLog } from '../../src/log/log.ts';
import { openProjector } from '../../src/projector/projector.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { freshFolder } from '../support/folder.ts';
import { statementsBegun, statementsOf } from './statements.ts';

/** Events with ids and paths in no order, as they come. */
const eventsOf = (from: number, count: number): BucketEvent[] =>
  Array.from({ length: count }, (_, at) => {
    const number = ((from + at) * 2_654_435_761) % 4_294_967_296;
    return {
      id: number.toString(16),
      type: 'create',
      time: new Date(Date.UTC(2026, 0, 1) + (from + at) * 1000).toISOString(),
      path: `d${number % 50}/${number}`,
      size: number,
      source: 'native',
    };
  });

const opened = async () => {
  const folder = await freshFolder();
  const logPath = join(folder, 'events.db');
  const log = await openLog(logPath);
  const projector = await openProjector({ path: join(folder, 'projections.db'), logPath, logId: log.logId });
  const close = async (): Promise<void> => {
    await projector.close();
    await log.close();
  };
  return { log, projector, logPath, close };
};

test.serial('an append is as many statements for 5,000 events as for 5', async (t) => {
  const { log, close } = await opened();
  const few = await statementsOf(() => log.append(eventsOf(0, 5)));
  const many = await statementsOf(() => log.append(eventsOf(5, 5_000)));
  t.is(many, few);
  // Begin, the known ids, the last checksum, the events, room in quarantine, commit.
  t.true(few <= 6, `${few} statements`);
  await close();
});

test.serial('a fold is as many statements for 5,000 events as for 5', async (t) => {
  const { log, projector, close } = await opened();
  // Of an empty table nothing is read.
  await log.append(eventsOf(0, 5));
  await projector.catchUp();
  await log.append(eventsOf(5, 5));
  const few = await statementsOf(() => projector.catchUp());
  await log.append(eventsOf(10, 5_000));
  const many = await statementsOf(() => projector.catchUp());
  t.is(many, few);
  t.true(few <= 14, `${few} statements`);
  t.is(await statementsOf(() => projector.catchUp()), 1, 'with nothing to fold it only looks');
  await close();
});

test.serial('events that were just appended are folded without a look into the log', async (t) => {
  const { log, projector, close } = await opened();
  await log.append(eventsOf(0, 5));
  await projector.catchUp();
  const { events: appended } = await log.append(eventsOf(5, 5_000));
  const handed = await statementsOf(() => projector.catchUp({ appended }));
  await log.append(eventsOf(5_005, 5_000));
  // Its end, the checksum before the window, and the window.
  t.is(await statementsOf(() => projector.catchUp()), handed + 3);
  t.is(projector.meta().stats.files, 10_005);
  await close();
});

test.serial('an append writes no more into a log of 45,000 events than into a small one', async (t) => {
  const { log, logPath, close } = await opened();
  const bytesOf = async (events: readonly BucketEvent[]): Promise<number> => {
    await log.database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    await log.append(events);
    return (await stat(`${logPath}-wal`)).size;
  };
  await log.append(eventsOf(0, 1_000));
  const early = await bytesOf(eventsOf(1_000, 1_000));
  await log.append(eventsOf(2_000, 43_000));
  const late = await bytesOf(eventsOf(45_000, 1_000));
  const pageBytes = 4_096 + 24;
  t.true(late <= early + 4 * pageBytes, `${early} bytes, then ${late}`);
  await close();
});

test.serial('a rebuild writes its rows once, at its end, whatever the number of windows', async (t) => {
  const { log, logPath, close } = await opened();
  await log.append(eventsOf(0, 30_000));
  const rebuild = async (windowEvents: number): Promise<number> => {
    const path = join(await freshFolder(), 'projections.db');
    const projector = await openProjector({ path, logPath, logId: log.logId, rebuilding: true, windowEvents });
    const statements = await statementsOf(() => projector.catchUp());
    t.is(projector.meta().stats.files, 30_000);
    await projector.close();
    return statements;
  };
  const windows30 = await rebuild(1_000);
  const windows300 = await rebuild(100);
  // All that a window costs is that it is read.
  t.is(windows300 - windows30, 270);
  await close();
});

test.serial('a statement that is known is with SQLite before the caller goes on', async (t) => {
  const database = await openDatabase({ path: join(await freshFolder(), 'a.db'), mode: 'write' });
  await database.exec('CREATE TABLE fact (name TEXT)');
  for (const ask of [
    () => database.get('SELECT 1'),
    () => database.run('DELETE FROM fact'),
    () => database.insert({ into: 'fact', columns: ['name'], rows: ['"a"'] }),
  ]) {
    await ask();
    const before = statementsBegun();
    const asked = ask();
    t.is(statementsBegun() - before, 1);
    await asked;
  }
  await database.close();
});
