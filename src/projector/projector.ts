import type { BucketEvent, Recorded } from '../../events/event.ts';
import { rebuildDirty, refreshDirty } from '../../projections/dirty.ts';
import { foldBucketEvents, pathsUpToNextTree } from '../../projections/file/fold.ts';
import { foldOutcomes } from '../../projections/mirror.ts';
import { projectionsSchema } from '../../projections/schema.ts';
import type { StoreWithLog } from '../../projections/store.ts';
import {
  createWorkingSet,
  type Totals,
  type WorkingSet,
  type WorkingSetOptions,
} from '../../projections/working-set.ts';
import { failpoint } from '../failpoint.ts';
import { eventColumnList } from '../log/columns.ts';
import { checksumAt } from '../log/read-log.ts';
import { type EventRow, eventOf } from '../log/rows.ts';
import { type Database, openDatabase, type Queries } from '../storage/database.ts';
import { type BulkLimits, createBulkFold } from './bulk-fold.ts';
import { type Events, handedOn, readEventsOn } from './events-on.ts';
import { countEvents, emptyMeta, type ProjectionMeta, writeMeta } from './meta.ts';
import { openViews } from './open-views.ts';
import { type Reader, readOn } from './read-on.ts';

/** Events that are read at once: their JSON and their objects are in memory together. */
const windowEventsDefault = 5_000;

/** The same for a fold on bytes. What SQLite makes for more of them outgrows what it gets without asking the kernel: half as fast. */
const bulkWindowEventsMax = 1_000;

/** Events folded in one transaction, where so many wait. More of them write a page fewer times, and hold more rows in memory. */
export const groupEvents = 50_000;

/** Page cache: of paths that come in no order, and of rows that are written in theirs. */
const cacheKib = 65_536;
const orderlyCacheKib = 8_192;
/** The log is read once, from the beginning on. */
const logCacheKib = 2_048;

export type Projector = {
  readonly database: Database;
  /** The committed meta: checkpoint and stats. */
  meta(): ProjectionMeta;
  /**
   * Folds the log up to `to` (default: its end) and resolves with the checkpoint. Rows and checkpoint commit together, so
   * a crash leaves an earlier state of the same views, and the next call goes on from there.
   */
  catchUp(options?: CatchUp): Promise<number>;
  close(): Promise<void>;
};

type Progress = {
  /** Told of each window that is folded, committed or not. */
  readonly onProgress?: (checkpoint: number) => void;
  /** Aborted: what is folded is committed, the rest is left. */
  readonly signal?: AbortSignal;
};

export type CatchUp = Progress & {
  readonly to?: number;
  /**
   * What was appended last, in order. Where these are all that follows the checkpoint, they are folded, and not read from
   * the log again; it is not looked whether there is more.
   */
  readonly appended?: readonly Recorded[];
};

export type ProjectorOptions = {
  readonly path: string;
  readonly logPath: string;
  readonly logId: string;
  /** The file is worth nothing before it is finished: nothing is synced, and `dirty` is made at the end of a long fold. */
  readonly rebuilding?: boolean;
  /** Told why views that were there are dropped: to build them anew may take a while. */
  readonly onDropped?: ((reason: string) => void) | undefined;
  readonly windowEvents?: number;
  /** What of the views is held in memory. */
  readonly rows?: Pick<WorkingSetOptions, 'beneathMax' | 'pathsMax'> & BulkLimits;
};

/** Opens the projections for their one writer. Views of another version, or of other events than the log's, are dropped and built anew. */
export const openProjector = async (options: ProjectorOptions): Promise<Projector> => {
  const log = await openDatabase({ path: options.logPath, mode: 'read', cacheKib: logCacheKib });
  const { database, meta } = await openViews(
    options.path,
    {
      synchronous: options.rebuilding ? 'OFF' : 'NORMAL',
      journal: options.rebuilding ? 'OFF' : 'WAL',
      cacheKib: options.rebuilding ? orderlyCacheKib : cacheKib,
      attach: { log: options.logPath },
    },
    { logId: options.logId, database: log },
    options.onDropped,
  );
  // Paths come in no order and touch pages all over: fewer checkpoints write each of them fewer times.
  await database.exec('PRAGMA wal_autocheckpoint = 16000');
  await database.exec(projectionsSchema);
  const current = meta ?? emptyMeta(options.logId);
  if (!meta) await writeMeta(database, current);
  return projecting(database, log, current, options);
};

const lastOffset = async (queries: Queries): Promise<number> =>
  (await queries.get<{ last: number | null }>('SELECT max("offset") AS last FROM event'))?.last ?? 0;

const storeOf = (queries: Queries): StoreWithLog => ({
  all: queries.all,
  run: queries.run,
  insert: queries.insert,
  eventsAt: async (offsets) => {
    const rows = await queries.all<EventRow>(
      `SELECT ${eventColumnList} FROM log.event WHERE "offset" IN (SELECT value FROM json_each(?))`,
      [JSON.stringify(offsets)],
    );
    return rows.map((row) => eventOf(row) as Recorded<BucketEvent>);
  },
});

const projecting = (
  database: Database,
  log: Database,
  initial: ProjectionMeta,
  { rebuilding = false, windowEvents = windowEventsDefault, rows: limits }: ProjectorOptions,
): Projector => {
  let committed = initial;

  const foldWindow = async (window: Events, meta: ProjectionMeta, { store, file, mirror }: Rows): Promise<void> => {
    const files = await foldBucketEvents(store, window.facts, meta.fileFold, file);
    addTotals(meta, files, await foldOutcomes(store, window.outcomes, mirror));
    countEvents(meta.stats, window.all);
    meta.checkpoint = window.last;
  };

  /**
   * Folds windows from `first` on, as many as go together, and commits them; in bulk these are all, without a transaction.
   * Resolves with the first window that is left.
   */
  const foldGroup = async (
    first: Events,
    reader: Reader<Events>,
    bulk: boolean,
    of: Progress,
  ): Promise<Events | undefined> => {
    let left: Events | undefined;
    failpoint('fold.before');
    const fold = async (queries: Queries): Promise<ProjectionMeta> => {
      const meta = structuredClone(committed);
      const end = bulk ? Number.POSITIVE_INFINITY : meta.checkpoint + groupEvents;
      const rows = rowsOf({ ...storeOf(queries), defersDirty: bulk }, { ...limits, empty: meta.checkpoint === 0 });
      await rows.file.load(pathsUpToNextTree(first.facts));
      for (let now: Events | undefined = first, next: Events | undefined; now; now = next) {
        left = await reader.next();
        next = left && left.last <= end && !of.signal?.aborted ? left : undefined;
        // What the next window needs is read while this one is folded.
        await rows.file.arrival();
        if (next) rows.file.prefetch(pathsUpToNextTree(next.facts));
        await foldWindow(now, meta, rows);
        of.onProgress?.(meta.checkpoint);
      }
      addTotals(meta, await rows.file.flush(), await rows.mirror.flush());
      if (!bulk) await finish(rows.store, queries, meta, refreshDirty);
      return meta;
    };
    committed = await (bulk ? fold(database) : database.transaction(fold));
    failpoint('fold.committed');
    return left;
  };

  const foldGroups = async (reader: Reader<Events>, bulk: boolean, of: Progress): Promise<void> => {
    let next = await reader.next();
    if (bulk && next) await database.exec(`PRAGMA cache_size = -${cacheKib}`);
    while (next && !of.signal?.aborted) next = await foldGroup(next, reader, bulk, of);
  };

  /** Folds the log's beginning, for as long as its events come in order, into empty tables. Resolves with the reader's error. */
  const foldBeginning = async (end: number, of: Progress): Promise<unknown> => {
    const meta = structuredClone(committed);
    const store = { ...storeOf(database), defersDirty: true };
    const bulk = createBulkFold(limits);
    const mirror = createWorkingSet(store, 'mirror', { ...limits, empty: true });
    const other = await openDatabase({ path: log.path, mode: 'read', cacheKib: logCacheKib });
    try {
      const reader = await readOn([log, other], 0, end, Math.min(windowEvents, bulkWindowEventsMax));
      for (let window = await reader.next(); window; ) {
        const { outcomes, isWhole } = bulk.fold(window.json, meta);
        addTotals(meta, noTotals, await foldOutcomes(store, outcomes, mirror));
        of.onProgress?.(meta.checkpoint);
        window = isWhole && !of.signal?.aborted ? await reader.next() : undefined;
      }
      const files = await database.transaction((queries) => bulk.write({ ...storeOf(queries), defersDirty: true }));
      addTotals(meta, files, await mirror.flush());
      committed = meta;
      return reader.error;
    } finally {
      await other.close();
    }
  };

  /** Where the log cannot be read on, throws after the commit of what stands before. */
  const foldTo = async ({ to, appended = [], ...of }: CatchUp = {}): Promise<number> => {
    const handed = to === undefined ? handedOn(appended, committed.checkpoint, windowEvents) : undefined;
    if (handed) {
      await foldGroups(handed, false, of);
      return committed.checkpoint;
    }
    const end = Math.min(to ?? Number.MAX_SAFE_INTEGER, await lastOffset(log));
    if (committed.checkpoint >= end) return committed.checkpoint;
    const bulk = rebuilding && end - committed.checkpoint > windowEvents;
    let error = bulk && committed.checkpoint === 0 ? await foldBeginning(end, of) : undefined;
    if (error === undefined) {
      const reader = await readEventsOn([log], committed.checkpoint, end, windowEvents);
      await foldGroups(reader, bulk, of);
      error = reader.error;
    }
    if (bulk) await finish(storeOf(database), database, committed, rebuildDirty);
    if (error !== undefined) throw error;
    return committed.checkpoint;
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

const finish = async (
  store: StoreWithLog,
  queries: Queries,
  meta: ProjectionMeta,
  makeDirty: (store: StoreWithLog) => Promise<void>,
): Promise<void> => {
  await makeDirty(store);
  // The log is attached.
  meta.checksum = (await checksumAt(queries, meta.checkpoint)) ?? 0;
  await writeMeta(queries, meta);
  failpoint('fold.written');
};

const noTotals: Totals = { files: 0, bytes: 0 };

/** What a group of windows is folded with. Its rows stay in memory from window to window. */
type Rows = { readonly store: StoreWithLog; readonly file: WorkingSet; readonly mirror: WorkingSet };

const rowsOf = (store: StoreWithLog, options: WorkingSetOptions): Rows => ({
  store,
  file: createWorkingSet(store, 'file', options),
  mirror: createWorkingSet(store, 'mirror', options),
});

const addTotals = ({ stats }: ProjectionMeta, files: Totals, mirror: Totals): void => {
  stats.files += files.files;
  stats.bytes += files.bytes;
  stats.mirrorFiles += mirror.files;
  stats.mirrorBytes += mirror.bytes;
};
