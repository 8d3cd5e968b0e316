import { join } from 'node:path';
import test from 'ava';
import type { BucketEvent, LogEvent } from '../../events/event.ts';
import { versionToken } from '../../events/order.ts';
import { openLog } from '../../src/log/log.ts';
import { readWindow } from '../../src/log/window.ts';
import { createBulkFold } from '../../src/projector/bulk-fold.ts';
import { emptyMeta } from '../../src/projector/meta.ts';
import { openProjector, type ProjectorOptions } from '../../src/projector/projector.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { randomOf, seedOf } from '../support/seed.ts';
import { viewsOf } from '../support/views.ts';

const timeOf = (second: number, digits = ''): string =>
  `${new Date(Date.UTC(2026, 0, 1) + second * 1_000).toISOString().slice(0, 19)}${digits}Z`;

const pieces = [
  'a',
  'b',
  'ab',
  '"',
  '\\',
  '\\"',
  "'",
  "''",
  ',',
  '[',
  ']',
  'null',
  '0',
  ' ',
  '\n',
  '\u0001',
  'é',
  '📁',
  '\uffff',
];

/** As most etags are, and what comes close. */
const hashes = ['0123456789abcdef', 'f9'.repeat(8), '0123456789ABCDEF'].map((half) => half.repeat(2));

/** A history in order: of all types, on few paths with all that JSON and SQL write in ways of their own. */
const history = (random: () => number, count: number): LogEvent[] => {
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const folders = ['', 'a/', 'a/b/', 'c/', 'c"/', "'/", '\\/', '📁/', 'a/📁/'];
  const path = (): string => `${pick(folders)}${pick(pieces)}`;
  const folder = (): string => pick(folders.slice(1));
  const scheme = pick(['n', 'v', 'none', 'mixed']);
  const some = <T>(value: T): T | undefined => (random() < 0.6 ? value : undefined);
  const drafts = (): Pick<BucketEvent, 'type' | 'path'> & Partial<BucketEvent> => {
    const drawn = random();
    if (drawn < 0.5) return { type: 'create', path: random() < 0.1 ? folder() : path() };
    if (drawn < 0.6) return { type: 'delete', path: path() };
    if (drawn < 0.7) return { type: 'change_permission', path: path() };
    if (drawn < 0.9) return { type: pick(['rename', 'move']), path: path(), to: path() };
    if (drawn < 0.92) return { type: 'delete', path: folder() };
    if (drawn < 0.94) return { type: 'delete', path: folder(), scope: 'marker' };
    if (drawn < 0.97) return { type: 'change_permission', path: folder() };
    const [from, to] = [folder(), folder()];
    return to.startsWith(from) ? { type: 'create', path: path() } : { type: pick(['rename', 'move']), path: from, to };
  };
  let second = 0;
  return Array.from({ length: count }, (_, n): LogEvent => {
    const isSame = random() < 0.2;
    if (!isSame) second += 1;
    const kind = scheme === 'mixed' ? pick(['n', 'v', 'none']) : scheme;
    const drafted = drafts();
    // A key of its own, or the very path that it stands for.
    const key = pick([pick(pieces), drafted.to ?? drafted.path]);
    const event = Object.fromEntries(
      Object.entries({
        // Without a token, one second is no order that the last digits of the time do not make.
        time: timeOf(second, kind === 'none' ? `.${String(n).padStart(6, '0')}` : pick(['', '.500', '.500000'])),
        version: kind === 'n' ? versionToken(n) : kind === 'v' ? `v:${pick(pieces)}${n}` : undefined,
        size: some(pick([0, 7, 12_345, 2 ** 40])),
        etag: some(pick([...pieces, ...hashes, ...hashes, ...hashes])),
        permissions: some(pick(['0644', '0600', 'o\'n"e'])),
        key: random() < 0.2 ? key : undefined,
        modifiedAt: some(timeOf(below(1_000), pick(['', '.500']))),
        ...drafted,
      }).filter(([, value]) => value !== undefined),
    );
    if (random() < 0.05)
      return {
        id: `outcome:${n}` as const,
        type: 'outcome',
        time: timeOf(second),
        path: path(),
        source: 'file-manager',
        operation: pick(['save', 'save', 'delete']),
        fileId: n,
        fileOffset: n,
        size: 7,
        modifiedAt: timeOf(n),
      };
    return { id: `e${n}`, source: 'native', ...event } as BucketEvent;
  });
};

const worldOf = async (events: readonly LogEvent[]) => {
  const folder = await freshFolder();
  const logPath = join(folder, 'events.db');
  const log = await openLog(logPath);
  await log.append(events);
  const fold = async (name: string, options: Partial<ProjectorOptions>): Promise<string> => {
    const projector = await openProjector({ path: join(folder, name), logPath, logId: log.logId, ...options });
    await projector.catchUp();
    const views = await viewsOf(projector);
    const { frontier } = projector.meta().fileFold;
    await projector.close();
    return `${views}\n${JSON.stringify(frontier)}`;
  };
  const end = async (): Promise<void> => {
    await log.close();
    await removeFolder(folder);
  };
  return { log, fold, end };
};

/** How many events of the log the bulk fold takes before it leaves the rest. */
const takenOf = async ({ log }: Awaited<ReturnType<typeof worldOf>>): Promise<number> => {
  const meta = emptyMeta(log.logId);
  createBulkFold().fold((await readWindow(log.database, { offset: 0, checksum: 0 }, 1_000_000)).json, meta);
  return meta.checkpoint;
};

test('any history ends in the same views as events folded one by one, wherever the bulk fold gives up', async (t) => {
  const seed = seedOf(t);
  let [taken, all] = [0, 0];
  for (let run = 0; run < 30; run++) {
    const random = randomOf(seed + run);
    const events = history(random, 20 + Math.floor(random() * 200));
    const world = await worldOf(events);
    const expected = await world.fold('one-by-one.db', { windowEvents: 1 });
    const limits = [
      {},
      { roomMax: 10_000 + Math.floor(random() * 20_000) },
      { rowsLookedAtMax: Math.floor(random() * 100) },
    ];
    for (const [at, rows] of limits.entries()) {
      const windowEvents = 1 + Math.floor(random() * 40);
      const views = await world.fold(`bulk-${at}.db`, { rebuilding: true, windowEvents, rows });
      if (views !== expected) t.is(views, expected, `SEED=${seed + run}, ${JSON.stringify({ windowEvents, rows })}`);
    }
    taken += await takenOf(world);
    all += events.length;
    await world.end();
  }
  t.true(taken > all / 4, `the bulk fold took ${taken} of ${all} events`);
});

const creates = (count: number, fields: (n: number) => Partial<BucketEvent> = () => ({})): BucketEvent[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `e${n}`,
    type: 'create',
    time: timeOf(n),
    version: versionToken(n + 1),
    path: `f${n}`,
    size: 1,
    source: 'native',
    ...fields(n),
  }));

test('it gives up at the first event that comes late by its token or its time, and not before', async (t) => {
  const late: readonly ((n: number) => Partial<BucketEvent>)[] = [
    (n) => (n === 30 ? { version: versionToken(20) } : {}),
    (n) => (n === 30 ? { version: 'v:other', time: timeOf(20) } : {}),
    // Late for what came before the event before it: its scheme's last token, or another scheme's last time.
    (n) => ({
      version: n < 28 ? `v:0${String(n).padStart(2, '0')}` : (['v:9', 'n:0', 'v:5'][n - 28] ?? versionToken(n)),
    }),
    (n) => ({ time: timeOf(n === 28 || n === 29 ? 500 : n), version: n === 28 ? 'v:other' : versionToken(n + 1) }),
    // As long as the one before in bytes, and behind it by its bytes alone: an escaped character, and one of two code units.
    (n) => ({ version: n < 29 ? `v:!${String(n).padStart(2, '0')}` : n === 29 ? 'v:#a' : `v:"${n - 30 || ''}` }),
    (n) => ({
      version: n < 29 ? `v:!${String(n).padStart(2, '0')}` : n === 29 ? 'v:####\n' : `v:####\t${n - 30 || ''}`,
    }),
    (n) => ({ version: n < 29 ? `v:!${String(n).padStart(2, '0')}` : n === 29 ? 'v:\uffffa' : `v:📁${n - 30 || ''}` }),
  ];
  for (const [at, fields] of late.entries()) {
    const world = await worldOf(creates(60, fields));
    t.is(await takenOf(world), 30, `case ${at}`);
    await world.end();
  }
  const inOrder: readonly ((n: number) => Partial<BucketEvent>)[] = [
    () => ({}),
    (n) => ({ time: timeOf(100 - n) }),
    (n) => ({ version: n % 2 ? `v:${String(n).padStart(3, '0')}` : versionToken(n) }),
  ];
  for (const [at, fields] of inOrder.entries()) {
    const world = await worldOf(creates(60, fields));
    t.is(await takenOf(world), 60, `case ${at}`);
    await world.end();
  }
});

test('a folder that is to move nowhere is left to the ordinary fold', async (t) => {
  const world = await worldOf(creates(60, (n) => (n === 30 ? { type: 'rename', path: 'a/' } : {})));
  t.is(await takenOf(world), 30);
  await world.end();
});

test('rows that are too long for it are left to the ordinary fold', async (t) => {
  const long = 'x'.repeat(900);
  const moves = Array.from({ length: 90 }, (_, n) => ({
    type: 'rename' as const,
    path: `${n === 0 ? 'a' : `${n}${long}`}/`,
    to: `${n + 1}${long}/`,
  }));
  // Each carries what lies beneath the folder to beneath another one, within it in turn: the path grows.
  const grown = Array.from({ length: 80 }, (_, n) => [
    { type: 'rename' as const, path: 'a/', to: `b/${n}${long}/` },
    { type: 'rename' as const, path: 'b/', to: 'a/' },
  ]).flat();
  for (const drafts of [moves, grown]) {
    const events = creates(1 + drafts.length, (n) =>
      n === 0 ? { path: 'a/x' } : (drafts[n - 1] as Partial<BucketEvent>),
    );
    const world = await worldOf(events);
    const expected = await world.fold('one-by-one.db', {});
    t.is(await world.fold('bulk.db', { rebuilding: true, windowEvents: 10 }), expected);
    if (drafts === grown) t.true((await takenOf(world)) < events.length);
    await world.end();
  }
});

test('a damaged event behind the place where the bulk fold gives up takes nothing of what stands before it', async (t) => {
  const world = await worldOf(creates(60, (n) => (n === 5 ? { version: versionToken(2) } : {})));
  await world.log.database.exec(`DROP TRIGGER event_no_update; UPDATE event SET path = 'g' WHERE "offset" = 35;`);
  const folder = await freshFolder();
  const projector = await openProjector({
    path: join(folder, 'projections.db'),
    logPath: world.log.database.path,
    logId: world.log.logId,
    rebuilding: true,
    windowEvents: 10,
  });
  await t.throwsAsync(projector.catchUp(), { message: /damaged at offset 35/ });
  // Five, and two windows of ten.
  t.is(projector.meta().checkpoint, 25);
  t.is(projector.meta().stats.files, 25);
  await projector.close();
  await removeFolder(folder);
  await world.end();
});
