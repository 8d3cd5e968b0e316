import { existsSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { BucketEvent, OutcomeEvent, Recorded } from '../../events/event.ts';
import { rebuildDirty, refreshDirty } from '../../projections/dirty.ts';
import { foldBucketEvents } from '../../projections/file/fold.ts';
import { foldOutcomes } from '../../projections/mirror.ts';
import { projectionsSchema } from '../../projections/schema.ts';
import type { Store, StoreWithLog } from '../../projections/store.ts';
import { createWorkingSet, type Totals, type WorkingSet } from '../../projections/working-set.ts';
import { FatalError } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import { insist } from '../log/check-log.ts';
import { eventColumnList } from '../log/columns.ts';
import { type EventRow, eventOf } from '../log/rows.ts';
import { eventsIn, type Place, readWindow, type Window } from '../log/window.ts';
import { type Database, openDatabase, type Queries } from '../storage/database.ts';
import { countEvents, emptyMeta, type ProjectionMeta, readMeta, writeMeta } from './meta.ts';

/** Events folded in one transaction. Larger windows fold faster, and hold more rows in memory. */
const windowSizes = { live: 10_000, rebuilding: 5_000 } as const;

export type Projector = {
  readonly database: Database;
  /** The committed meta: checkpoint and stats. */
  meta(): ProjectionMeta;
  /**
   * Folds the log up to `to` (default: its end) and resolves with the checkpoint. Rows and checkpoint commit together, so
   * a crash leaves an earlier state of the same views, and the next call goes on from there.
   */
  catchUp(options?: { to?: number; onProgress?: (checkpoint: number) => void; signal?: AbortSignal }): Promise<number>;
  close(): Promise<void>;
};

export type ProjectorOptions = {
  readonly path: string;
  readonly logPath: string;
  readonly logId: string;
  /** The file is worth nothing before it is finished: nothing is synced, and `dirty` is made at the end of a long fold. */
  readonly rebuilding?: boolean;
  readonly windowEvents?: number;
};

const removeDatabase = async (path: string): Promise<void> => {
  for (const suffix of ['', '-wal', '-shm']) await rm(path + suffix, { force: true });
};

/** Opens the projections for their one writer. Views of another version, or of another log, are dropped and built anew. */
export const openProjector = async (options: ProjectorOptions): Promise<Projector> => {
  const log = await openDatabase({ path: options.logPath, mode: 'read' });
  let database = await openFor(options);
  await insistOnProjections(database);
  let meta = await readMeta(database);
  if (meta === undefined || meta.logId !== options.logId || meta.checkpoint > (await lastOffset(log))) {
    await database.close();
    await removeDatabase(options.path);
    database = await openFor(options);
    meta = undefined;
  }
  // Paths come in no order and touch pages all over: fewer checkpoints write each of them fewer times.
  await database.exec('PRAGMA wal_autocheckpoint = 16000');
  await database.exec(projectionsSchema);
  const current = meta ?? emptyMeta(options.logId);
  if (!meta) await writeMeta(database, current);
  const rebuilding = options.rebuilding === true;
  const windowEvents = options.windowEvents ?? (rebuilding ? windowSizes.rebuilding : windowSizes.live);
  return projecting(database, log, current, { rebuilding, windowEvents });
};

const openFor = async (options: ProjectorOptions): Promise<Database> => {
  const open = (): Promise<Database> =>
    openDatabase({
      path: options.path,
      mode: 'write',
      synchronous: options.rebuilding ? 'OFF' : 'NORMAL',
      journal: options.rebuilding ? 'OFF' : 'WAL',
      cacheKib: 65_536,
      attach: { log: options.logPath },
    });
  try {
    return await open();
  } catch (error) {
    // Damaged projections are worth nothing: the log holds everything. Any other failure leaves them as they are.
    if (!isDamaged(error) || !existsSync(options.path) || !statSync(options.path).isFile()) throw error;
    await removeDatabase(options.path);
    return open();
  }
};

const isDamaged = (error: unknown): boolean => {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && /^SQLITE_(NOTADB|CORRUPT)$/.test(String(cause.code));
};

/** Throws FatalError for a database that never held projections: it is somebody's, and must not be dropped. */
const insistOnProjections = async (database: Database): Promise<void> => {
  const names = (await database.all<{ name: string }>('SELECT name FROM sqlite_schema')).map(({ name }) => name);
  if (names.length === 0 || names.includes('file') || names.includes('mirror')) return;
  await database.close();
  throw new FatalError(
    `${database.path} holds something else than projections (${names.slice(0, 3).join(', ')}): name another file in DATABASE_PATH`,
  );
};

const lastOffset = async (queries: Queries): Promise<number> =>
  (await queries.get<{ last: number | null }>('SELECT max("offset") AS last FROM event'))?.last ?? 0;

const storeOf = (queries: Queries): StoreWithLog => ({
  all: queries.all,
  run: queries.run,
  eventsAt: async (offsets) => {
    const rows = await queries.all<EventRow>(
      `SELECT ${eventColumnList} FROM log.event WHERE "offset" IN (SELECT value FROM json_each(?))`,
      [JSON.stringify(offsets)],
    );
    return rows.map((row) => eventOf(row) as Recorded<BucketEvent>);
  },
});

/** The next events to fold. Its events are read and parsed while the window before is written. */
type Next = { readonly window: Window; readonly events: readonly Recorded[] };

const projecting = (
  database: Database,
  log: Database,
  initial: ProjectionMeta,
  { rebuilding, windowEvents }: { rebuilding: boolean; windowEvents: number },
): Projector => {
  let committed = initial;

  /** A rebuild needs no transactions: before it is finished its file is worth nothing. */
  const within = <T>(kept: Kept | undefined, work: (queries: Queries) => Promise<T>): Promise<T> =>
    kept ? work(database) : database.transaction(work);

  const foldWindow = async ({ window, events }: Next, kept?: Kept): Promise<void> => {
    failpoint('fold.before');
    committed = await within(kept, async (queries) => {
      const meta = structuredClone(committed);
      const store: StoreWithLog = { ...storeOf(queries), defersDirty: kept !== undefined };
      const outcomes = events.filter((event) => event.type === 'outcome') as Recorded<OutcomeEvent>[];
      const facts = events.filter((event) => event.type !== 'outcome') as Recorded<BucketEvent>[];
      const files = await foldBucketEvents(store, facts, meta.fileFold, kept?.file);
      const mirror = await foldOutcomes(store, outcomes, kept?.mirror);
      await refreshDirty(store);
      addTotals(meta, files, mirror);
      countEvents(meta.stats, events);
      meta.checkpoint = window.last;
      await writeMeta(queries, meta);
      failpoint('fold.written');
      return meta;
    });
    failpoint('fold.committed');
  };

  /** What a rebuild kept in memory, and what it put off, is written at its end. */
  const finish = async (kept: Kept): Promise<void> => {
    const meta = structuredClone(committed);
    addTotals(meta, await kept.file.flush(), await kept.mirror.flush());
    await rebuildDirty(storeOf(database));
    await writeMeta(database, meta);
    committed = meta;
  };

  const readNext = async (after: Place, end: number): Promise<Next | undefined> => {
    if (after.offset >= end) return undefined;
    const through = Math.min(end, after.offset + windowEvents);
    const window = await readWindow(log, after, through);
    // A damaged event is never folded.
    if (window.computed !== window.stored || window.last !== through) await insist(log, after.offset + 1, through);
    return { window, events: eventsIn(window) };
  };

  const foldTo = async ({ to, onProgress, signal }: Parameters<Projector['catchUp']>[0] = {}): Promise<number> => {
    const end = Math.min(to ?? Number.MAX_SAFE_INTEGER, await lastOffset(log));
    if (committed.checkpoint >= end) return committed.checkpoint;
    const kept =
      rebuilding && end - committed.checkpoint > windowEvents ? keptRows(committed.checkpoint === 0) : undefined;
    let next = readNext(await placeAt(log, committed.checkpoint), end);
    for (let now = await next; now && !signal?.aborted; now = await next) {
      next = readNext({ offset: now.window.last, checksum: now.window.stored }, end);
      // What it throws is thrown where it is awaited, after the fold in hand.
      next.catch(() => undefined);
      await foldWindow(now, kept);
      onProgress?.(committed.checkpoint);
    }
    await next;
    if (kept) await finish(kept);
    return committed.checkpoint;
  };

  const keptRows = (empty: boolean): Kept => {
    const store: Store = { all: database.all, run: database.run, defersDirty: true };
    return { file: createWorkingSet(store, 'file', { empty }), mirror: createWorkingSet(store, 'mirror', { empty }) };
  };

  let folding: Promise<unknown> = Promise.resolve();
  return {
    database,
    meta: () => committed,
    catchUp: (options) => {
      const folded = folding.catch(() => undefined).then(() => foldTo(options));
      folding = folded;
      return folded;
    },
    close: async () => {
      await log.close();
      await database.close();
    },
  };
};

/** Rows that a rebuild keeps in memory from window to window. */
type Kept = { readonly file: WorkingSet; readonly mirror: WorkingSet };

const addTotals = ({ stats }: ProjectionMeta, files: Totals, mirror: Totals): void => {
  stats.files += files.files;
  stats.bytes += files.bytes;
  stats.mirrorFiles += mirror.files;
  stats.mirrorBytes += mirror.bytes;
};

const placeAt = async (log: Queries, offset: number): Promise<Place> => {
  const row = await log.get<{ checksum: number }>('SELECT checksum FROM event WHERE "offset" = ?', [offset]);
  return { offset, checksum: row?.checksum ?? 0 };
};
