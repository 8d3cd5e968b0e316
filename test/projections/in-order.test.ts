import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { type BucketEvent, isFolder, type Recorded } from '../../events/event.ts';
import { versionToken } from '../../events/order.ts';
import type { FileRow } from '../../projections/rows.ts';
import { openLog } from '../../src/log/log.ts';
import { openProjector, type Projector, type ProjectorOptions } from '../../src/projector/projector.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { history } from '../support/histories.ts';
import { referenceFold } from '../support/reference-fold.ts';
import { seedOf } from '../support/seed.ts';

/** Which event created each file, by path: it stays through renames, moves and new content. */
const identities = (events: readonly Recorded[]): Map<string, number> => {
  let ids = new Map<string, number>();
  for (const event of events) {
    const { path, to, offset, scope } = event;
    const beneath = (one: string): boolean =>
      one === path || (isFolder(path) && scope === undefined && one.startsWith(path));
    if (event.type === 'create') ids.set(path, ids.get(path) ?? offset);
    else if (event.type === 'delete') ids = new Map([...ids].filter(([one]) => !beneath(one)));
    else if (to !== undefined) {
      const carried = [...ids].filter(([one]) => beneath(one));
      for (const [one] of carried) ids.delete(one);
      for (const [one, id] of carried) ids.set(to + one.slice(path.length), id);
    }
  }
  return ids;
};

test('events in order fold live, window by window, to their plain fold, and every file keeps its id', async (t) => {
  t.timeout(120_000);
  const seed = seedOf(t);
  const folder = await freshFolder();
  const logPath = join(folder, 'events.db');
  const log = await openLog(logPath);
  const open = (name: string, options: Pick<ProjectorOptions, 'windowEvents' | 'rows'>): Promise<Projector> =>
    openProjector({ path: join(folder, name), logPath, logId: log.logId, ...options });
  // Folders change in memory; in memory and in SQL; in SQL alone.
  const projectors = [
    await open('memory.db', {}),
    await open('both.db', { windowEvents: 3, rows: { beneathMax: 1, pathsMax: 4 } }),
    await open('sql.db', { windowEvents: 3, rows: { beneathMax: 0 } }),
  ];
  let expected = referenceFold([]);
  const holds = async (projector: Projector, message: string): Promise<void> => {
    const ids = identities(told);
    const rows = await projector.database.all<FileRow>('SELECT * FROM file');
    t.deepEqual(
      Object.fromEntries(rows.map(({ path, offset: _, ...row }) => [path, row])),
      Object.fromEntries([...expected].map(([path, row]) => [path, { ...row, file_id: ids.get(path) }])),
      `SEED=${seed}, ${projector.database.path}, ${message}`,
    );
    t.is(projector.meta().stats.files, rows.length);
    t.deepEqual(await projector.database.all('SELECT * FROM history'), [], 'and none of them came late');
  };
  // One history goes on where the one before has ended: the order is that of the log.
  const told: Recorded[] = [];
  for (const [number, drafts] of fc.sample(history(24), { numRuns: 60, seed }).entries()) {
    const events = drafts.map((event, index) => ({
      ...event,
      id: `${number}-${event.id}`,
      version: versionToken(told.length + index + 1),
    }));
    const { events: recorded } = await log.append(events);
    told.push(...recorded);
    expected = referenceFold(told.flatMap((event) => (event.type === 'outcome' ? [] : [event])));
    for (const projector of projectors) {
      await projector.catchUp();
      await holds(projector, `history ${number}: ${JSON.stringify(events)}`);
    }
  }
  const atOnce = await open('at-once.db', { windowEvents: 3, rows: { beneathMax: 0, pathsMax: 2 } });
  await atOnce.catchUp();
  await holds(atOnce, 'all at once');
  for (const projector of [...projectors, atOnce]) await projector.close();
  await log.close();
  await removeFolder(folder);
});

test('sizes that no integer holds the sum of stop nothing', async (t) => {
  const folder = await freshFolder();
  const logPath = join(folder, 'events.db');
  const log = await openLog(logPath);
  const projector = await openProjector({ path: join(folder, 'p.db'), logPath, logId: log.logId });
  const base = { source: 'native', time: '2026-01-01T00:00:00Z' } as const;
  const size = Number.MAX_SAFE_INTEGER;
  const files = ['d/', 'e/'].flatMap((folder) => Array.from({ length: 1_100 }, (_, index) => `${folder}${index}`));
  await log.append(files.map((path): BucketEvent => ({ ...base, id: path, type: 'create', path, size })));
  await projector.catchUp();
  await log.append([{ ...base, id: 'rename', type: 'rename', path: 'd/', to: 'e/' }]);
  await projector.catchUp();
  t.is(projector.meta().stats.files, 1_100);
  await log.append([{ ...base, id: 'delete', type: 'delete', path: 'e/' }]);
  await projector.catchUp();
  t.is(projector.meta().stats.files, 0);
  await projector.close();
  await log.close();
  await removeFolder(folder);
});
