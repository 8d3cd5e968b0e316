import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { openLog, type WritableLog } from '../../src/log/log.ts';
import { openProjector, type ProjectorOptions } from '../../src/projector/projector.ts';
import { openProjections } from '../../src/status/projections.ts';
import { freshFolder } from '../support/folder.ts';

/** A log of so many files, and its projector. */
const opened = async (count: number, options: Pick<ProjectorOptions, 'windowEvents'> = {}) => {
  const folder = await freshFolder();
  const logPath = join(folder, 'events.db');
  const log = await openLog(logPath);
  const projector = await openProjector({
    path: join(folder, 'projections.db'),
    logPath,
    logId: log.logId,
    ...options,
  });
  const files = async (): Promise<number> =>
    (await projector.database.get<{ n: number }>('SELECT count(*) AS n FROM file'))?.n ?? 0;
  await log.append(
    Array.from({ length: count }, (_, at) => ({
      id: `e${at}`,
      type: 'create' as const,
      time: '2026-01-01T00:00:00Z',
      path: `f${at}`,
      size: 3,
      source: 'native',
    })),
  );
  return { log, projector, files };
};

test('what stands in the log before a damaged event is folded and committed', async (t) => {
  const { log, projector, files } = await opened(40, { windowEvents: 10 });
  await log.database.exec(`DROP TRIGGER event_no_update; UPDATE event SET path = 'g' WHERE "offset" = 35;`);
  await t.throwsAsync(projector.catchUp(), { message: /damaged at offset 35/ });
  t.is(await files(), 30);
  t.is(projector.meta().checkpoint, 30);
  await t.throwsAsync(projector.catchUp(), { message: /damaged at offset 35/ });
  t.is(projector.meta().checkpoint, 30);
  await projector.close();
  await log.close();
});

test('a window whose checkpoint cannot be written leaves rows and checkpoint as they were', async (t) => {
  const { log, projector, files } = await opened(10);
  await projector.database.exec(`CREATE TRIGGER full BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'no space'); END`);
  await t.throwsAsync(projector.catchUp(), { message: /no space/ });
  t.is(await files(), 0);
  t.is(projector.meta().checkpoint, 0);
  await projector.database.exec('DROP TRIGGER full');
  t.is(await projector.catchUp(), 10);
  t.is(await files(), 10);
  t.like(projector.meta().stats, { files: 10, bytes: 30, events: { create: 10 } });
  await projector.close();
  await log.close();
});

test('views of events that a restored log has lost are not believed, however much it holds since', async (t) => {
  const folder = await freshFolder();
  const logPath = join(folder, 'events.db');
  const backup = join(folder, 'backup.db');
  const path = join(folder, 'projections.db');
  const append = (log: WritableLog, ...paths: readonly string[]) =>
    log.append(
      paths.map((name) => ({ id: name, type: 'create', time: '2026-01-01T00:00:00Z', path: name, source: 'native' })),
    );
  const fold = async (log: WritableLog, onDropped?: (reason: string) => void): Promise<unknown> => {
    const projector = await openProjector({ path, logPath, logId: log.logId, onDropped });
    await projector.catchUp();
    const rows = await projector.database.all<{ path: string }>('SELECT path FROM file ORDER BY path');
    await projector.close();
    return rows.map((row) => row.path);
  };
  const before = await openLog(logPath);
  await append(before, 'a');
  await before.database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  await copyFile(logPath, backup);
  await append(before, 'b', 'c');
  t.deepEqual(await fold(before), ['a', 'b', 'c']);
  await before.close();

  await copyFile(backup, logPath);
  const log = await openLog(logPath);
  t.teardown(log.close);
  const dropped: string[] = [];
  for (const [paths, reason] of [
    [['d'], 'is ahead of the log, which does not reach its offset 3'],
    [['c', 'b', 'e'], 'was folded from events that are not those of the log, which is a backup that went on otherwise'],
  ] as const) {
    await copyFile(path, `${path}.kept`);
    await append(log, ...paths);
    t.is(await openProjections(path, log), undefined, 'who only reads shows nothing of them');
    t.deepEqual(
      await fold(log, (told) => void dropped.push(told)),
      reason.startsWith('is') ? ['a', 'd'] : ['a', 'b', 'c', 'd', 'e'],
    );
    t.is(dropped.pop(), `${path} ${reason}`);
    await copyFile(`${path}.kept`, path);
  }
  await fold(log);
  const live = await openProjections(path, log);
  t.is(live?.meta.checkpoint, 5);
  await live?.database.close();
  t.deepEqual(await fold(log, (told) => void dropped.push(told)), ['a', 'b', 'c', 'd', 'e']);
  t.deepEqual(dropped, [], 'and its own are');
});
