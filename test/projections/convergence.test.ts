import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import type { BucketEvent } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import { openLog } from '../../src/log/log.ts';
import { openProjector } from '../../src/projector/projector.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { arrivals, hasLateSource, hasTakenTarget, type Ordering } from '../support/histories.ts';
import { referenceFold } from '../support/reference-fold.ts';
import { seedOf } from '../support/seed.ts';

/**
 * Each drawn history lives in a namespace of its own (`h12/…`) of one log, so that ten thousand of them cost one pass
 * instead of ten thousand databases; tokens never compare across namespaces because their paths never meet.
 */
const within = (namespace: string, event: BucketEvent): BucketEvent => ({
  ...event,
  id: `${namespace}-${event.id}`,
  path: namespace + event.path,
  ...(event.to !== undefined && { to: namespace + event.to }),
  ...(event.key !== undefined && { key: namespace + event.key }),
});

const visible = (namespace: string, { key, size, etag, permissions, modified_at }: FileRow) => ({
  key: key && key.slice(namespace.length),
  size,
  etag,
  permissions,
  modified_at,
});

const histories = Number(process.env.HISTORIES ?? 10_000);

/** The same id with another payload, as a broken producer sends it: quarantined, whatever it says. */
const forged = (event: BucketEvent): BucketEvent => ({ ...event, type: 'create', path: 'forged', size: 1 });

const cases: readonly (readonly [Ordering, number, string])[] = [
  [
    'tokens',
    histories,
    `${histories} histories in any order, with duplicates, fold to the table of their sorted events`,
  ],
  ['times', histories / 10, 'without tokens, time decides, and late events find their place'],
  ['timed', histories / 10, "a clock's tokens and events without one mix by time, whatever order they arrive in"],
  ['ties', histories / 10, 'between events of one token time decides, then the id, in whatever order they arrive'],
];

for (const [ordering, runs, title] of cases) {
  test(title, async (t) => {
    t.timeout(240_000);
    const seed = seedOf(t);
    const folder = await freshFolder();
    const log = await openLog(join(folder, 'events.db'), { entriesMax: runs, bytesMax: 2 ** 30 });
    const projector = await openProjector({
      path: join(folder, 'projections.db'),
      logPath: join(folder, 'events.db'),
      logId: log.logId,
      rebuilding: true,
      // The histories of the hundred that come together span several windows.
      windowEvents: ordering === 'tokens' ? 1_000 : 300,
      // Folders change in memory and in SQL.
      ...(ordering === 'tokens' && { rows: { beneathMax: 1, pathsMax: 200 } }),
    });
    const drawn = fc.sample(arrivals(14, ordering), { numRuns: runs, seed });
    const holding = (has: (one: (typeof drawn)[number]) => boolean): number => drawn.filter(has).length;
    t.true(holding(({ arrived }) => hasLateSource(arrived)) > runs / 20, 'renames whose source comes later');
    t.true(holding(({ sorted }) => hasTakenTarget(sorted)) > runs / 20, 'renames onto a file that exists');
    const streams = drawn.map(({ arrived }, index) => arrived.map((event) => within(`h${index}/`, event)));
    // Interleave the histories' arrivals, so that windows hold pieces of many.
    for (let start = 0; start < streams.length; start += 100) {
      const group = streams.slice(start, start + 100);
      const longest = Math.max(...group.map((stream) => stream.length));
      const batch: BucketEvent[] = [];
      for (let at = 0; at < longest; at++)
        for (const stream of group) if (stream[at]) batch.push(stream[at] as BucketEvent);
      const reused = group.map((stream) => forged(stream[0] as BucketEvent));
      t.is(
        (await log.append([...batch, ...reused])).conflicts.length,
        reused.length,
        'ids that come with another payload',
      );
      await projector.catchUp();
    }
    const rows = await projector.database.all<FileRow>('SELECT * FROM file');
    const tables = new Map<string, Map<string, unknown>>();
    for (const row of rows) {
      const slash = row.path.indexOf('/') + 1;
      const namespace = row.path.slice(0, slash);
      if (!tables.has(namespace)) tables.set(namespace, new Map());
      tables.get(namespace)?.set(row.path.slice(slash), visible(namespace, row));
    }
    drawn.forEach(({ sorted, arrived }, index) => {
      const actual = tables.get(`h${index}/`) ?? new Map();
      const expected = referenceFold(sorted);
      try {
        assertSame(actual, expected);
      } catch {
        t.log(`seed ${seed}, history ${index}`, JSON.stringify(arrived));
        t.deepEqual(new Map([...actual].sort()), new Map([...expected].sort()), `SEED=${seed}, history ${index}`);
      }
    });
    t.is(
      (await projector.database.get<{ files: number }>('SELECT count(*) AS files FROM file'))?.files,
      projector.meta().stats.files,
    );
    await projector.close();
    await log.close();
    await removeFolder(folder);
    t.pass();
  });
}

const assertSame = (actual: Map<string, unknown>, expected: Map<string, unknown>): void => {
  const text = (map: Map<string, unknown>): string => JSON.stringify([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
  if (text(actual) !== text(expected)) throw new Error('tables differ');
};
