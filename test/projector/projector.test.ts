import { join } from 'node:path';
import test from 'ava';
import { openLog } from '../../src/log/log.ts';
import { openProjector, type ProjectorOptions } from '../../src/projector/projector.ts';
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
