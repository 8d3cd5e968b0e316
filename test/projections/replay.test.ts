import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import type { LogEvent, Recorded } from '../../events/event.ts';
import { openLog } from '../../src/log/log.ts';
import { openProjector, type Projector } from '../../src/projector/projector.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { arrivals } from '../support/histories.ts';
import { seedOf } from '../support/seed.ts';
import { viewsOf } from '../support/views.ts';

/** Outcomes between the bucket's events, so that the mirror and `dirty` take part. */
const withOutcomes = (events: readonly LogEvent[]): LogEvent[] =>
  events.flatMap((event, index): LogEvent[] =>
    event.type === 'create' && index % 3 === 0
      ? [
          event,
          {
            id: `outcome:${event.id}:${index}` as const,
            type: 'outcome',
            time: event.time,
            path: event.path,
            source: 'file-manager',
            operation: 'save',
            fileId: index + 1,
            fileOffset: index + 1,
            modifiedAt: event.time,
            ...(event.etag !== undefined && { etag: event.etag }),
            ...(event.size !== undefined && { size: event.size }),
          },
        ]
      : [event],
  );

test('for every split: fold, restart, fold on equals one fold, equals a rebuild, byte for byte', async (t) => {
  const seed = seedOf(t);
  for (const [number, { arrived }] of fc.sample(arrivals(12), { numRuns: 30, seed }).entries()) {
    const folder = await freshFolder();
    const logPath = join(folder, 'events.db');
    const log = await openLog(logPath);
    await log.append(withOutcomes(arrived));
    const last = await log.last();
    const open = (name: string, options = {}): Promise<Projector> =>
      openProjector({ path: join(folder, name), logPath, logId: log.logId, ...options });
    const whole = await open('whole.db');
    await whole.catchUp();
    const expected = await viewsOf(whole);
    await whole.close();
    // A rebuild keeps its rows in memory and writes them at the end, once from nothing and once from the middle on.
    for (const from of [0, Math.floor(last / 2)]) {
      const rebuilt = await open(`rebuilt-${from}.db`, {
        rebuilding: true,
        windowEvents: 2,
        rows: { beneathMax: 1, pathsMax: 3 },
      });
      await rebuilt.catchUp({ to: from });
      await rebuilt.catchUp();
      t.is(await viewsOf(rebuilt), expected, `SEED=${seed}, history ${number}, rebuilt from ${from}`);
      await rebuilt.close();
    }
    for (let split = 0; split <= last; split++) {
      const name = `split-${split}.db`;
      const before = await open(name);
      await before.catchUp({ to: split });
      await before.close();
      const after = await open(name);
      t.is(after.meta().checkpoint, split);
      await after.catchUp();
      if ((await viewsOf(after)) !== expected)
        t.is(await viewsOf(after), expected, `SEED=${seed}, history ${number}, split at ${split}`);
      await after.close();
    }
    await log.close();
    await removeFolder(folder);
  }
});

test('events that are handed over as they were appended fold to what the log gives, whatever is handed over', async (t) => {
  const seed = seedOf(t);
  for (const [number, { arrived }] of fc.sample(arrivals(24), { numRuns: 40, seed }).entries()) {
    const folder = await freshFolder();
    const logPath = join(folder, 'events.db');
    const log = await openLog(logPath);
    const open = (name: string): Promise<Projector> =>
      openProjector({ path: join(folder, name), logPath, logId: log.logId, windowEvents: 4 });
    const live = await open('live.db');
    const events = withOutcomes(arrived);
    const all: Recorded[] = [];
    for (let at = 0; at < events.length; at += 5) {
      const { events: appended } = await log.append(events.slice(at, at + 5));
      all.push(...appended);
      const withHole = all.length > 3 ? [...all.slice(0, 1), ...all.slice(3)] : [];
      // All that was ever appended, what is new, nothing, and with a hole.
      await live.catchUp({ appended: [all, appended, [], withHole][(at / 5 + number) % 4] ?? [] });
      t.is(live.meta().checkpoint, await log.last());
    }
    t.deepEqual(await log.read(1, all.length, all.length), all);
    const read = await open('read.db');
    await read.catchUp();
    t.is(await viewsOf(live), await viewsOf(read), `SEED=${seed}, history ${number}`);
    await read.close();
    await live.close();
    await log.close();
    await removeFolder(folder);
  }
});

const differing = `
  SELECT path FROM (SELECT path FROM file UNION SELECT path FROM mirror) LEFT JOIN file AS f USING (path) LEFT JOIN mirror AS m USING (path)
  WHERE f.path IS NULL OR m.path IS NULL OR f.size IS NOT m.size OR f.etag IS NOT m.etag
    OR (f.etag IS NULL AND f.modified_at <> m.modified_at) OR (f.permissions IS NOT NULL AND f.permissions IS NOT m.permissions) ORDER BY path`;

test('dirty is exactly the set of paths on which file and mirror differ', async (t) => {
  const seed = seedOf(t);
  for (const { arrived } of fc.sample(arrivals(20), { numRuns: 40, seed })) {
    const folder = await freshFolder();
    const logPath = join(folder, 'events.db');
    const log = await openLog(logPath);
    const open = (name: string, options = {}): Promise<Projector> =>
      openProjector({ path: join(folder, name), logPath, logId: log.logId, ...options });
    const oneByOne = await open('one-by-one.db');
    for (const event of withOutcomes(arrived)) {
      await log.append([event]);
      await oneByOne.catchUp();
    }
    const together = await open('together.db', { windowEvents: 3, rows: { beneathMax: 0, pathsMax: 4 } });
    const rebuilt = await open('rebuilt.db', { windowEvents: 2, rebuilding: true });
    for (const projector of [oneByOne, together, rebuilt]) {
      await projector.catchUp();
      const dirty = await projector.database.all('SELECT path FROM dirty ORDER BY path');
      t.deepEqual(dirty, await projector.database.all(differing), `SEED=${seed}, ${projector.database.path}`);
      const counts = await projector.database.get(
        'SELECT (SELECT count(*) FROM file) AS files, (SELECT count(*) FROM mirror) AS mirror',
      );
      t.deepEqual(counts, { files: projector.meta().stats.files, mirror: projector.meta().stats.mirrorFiles });
      await projector.close();
    }
    await log.close();
    await removeFolder(folder);
  }
});

test('a file keeps its file_id through rename, move and new content', async (t) => {
  const folder = await freshFolder();
  const logPath = join(folder, 'events.db');
  const log = await openLog(logPath);
  const projector = await openProjector({ path: join(folder, 'p.db'), logPath, logId: log.logId });
  const base = { source: 'native', time: '2026-01-01T00:00:00Z' } as const;
  await log.append([
    { ...base, id: '1', type: 'create', path: 'other' },
    { ...base, id: '2', type: 'create', path: 'd/a' },
    { ...base, id: '3', type: 'rename', path: 'd/', to: 'e/' },
    { ...base, id: '4', type: 'move', path: 'e/a', to: 'f/b' },
    { ...base, id: '5', type: 'create', path: 'f/b', size: 7 },
  ]);
  await projector.catchUp();
  t.deepEqual(await projector.database.all('SELECT path, file_id, size, "offset" FROM file ORDER BY path'), [
    { path: 'f/b', file_id: 2, size: 7, offset: 5 },
    { path: 'other', file_id: 1, size: null, offset: 1 },
  ]);
  await projector.close();
  // A projection of another log, or of another version, is built anew.
  const another = await openLog(join(folder, 'another.db'));
  const rebuilt = await openProjector({
    path: join(folder, 'p.db'),
    logPath: join(folder, 'another.db'),
    logId: another.logId,
  });
  t.is(rebuilt.meta().checkpoint, 0);
  t.deepEqual(await rebuilt.database.all('SELECT * FROM file'), []);
  await rebuilt.close();
  await another.close();
  await log.close();
});
