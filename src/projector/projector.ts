import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { BucketEvent, OutcomeEvent, Recorded } from '../../events/event.ts';
import { refreshDirty } from '../../projections/dirty.ts';
import { foldBucketEvents } from '../../projections/file/fold.ts';
import { foldOutcomes } from '../../projections/mirror.ts';
import { projectionsSchema } from '../../projections/schema.ts';
import type { StoreWithLog } from '../../projections/store.ts';
import { type EventRow, eventOf } from '../log/rows.ts';
import { eventColumnList } from '../log/schema.ts';
import { type Database, openDatabase, type Queries } from '../storage/database.ts';
import { countEvents, emptyMeta, type ProjectionMeta, readMeta, writeMeta } from './meta.ts';

/** Events folded in one transaction. Larger windows fold faster, and hold more rows in memory. */
const windowEvents = 10_000;

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
  /** Larger while a view is rebuilt from zero, where nothing is lost by a crash. */
  readonly throwaway?: boolean;
};

const removeDatabase = async (path: string): Promise<void> => {
  for (const suffix of ['', '-wal', '-shm']) await rm(path + suffix, { force: true });
};

/** Opens the projections for their one writer. Views of another version, or of another log, are dropped and built anew. */
export const openProjector = async (options: ProjectorOptions): Promise<Projector> => {
  let database = await openFor(options);
  let meta = await readMeta(database);
  if (meta === undefined || meta.logId !== options.logId || meta.checkpoint > (await lastOffset(database))) {
    await database.close();
    await removeDatabase(options.path);
    database = await openFor(options);
    meta = undefined;
  }
  await database.exec(projectionsSchema);
  const current = meta ?? emptyMeta(options.logId);
  if (!meta) await writeMeta(database, current);
  return projecting(database, current);
};

const openFor = async (options: ProjectorOptions): Promise<Database> => {
  const open = (): Promise<Database> =>
    openDatabase({
      path: options.path,
      mode: 'write',
      synchronous: options.throwaway ? 'OFF' : 'NORMAL',
      cacheKib: 65_536,
      attach: { log: options.logPath },
    });
  try {
    return await open();
  } catch (error) {
    // A projection that cannot be read is worth nothing: the log holds everything.
    if (!existsSync(options.path)) throw error;
    await removeDatabase(options.path);
    return open();
  }
};

const lastOffset = async (queries: Queries): Promise<number> =>
  (await queries.get<{ last: number | null }>('SELECT max("offset") AS last FROM log.event'))?.last ?? 0;

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

const projecting = (database: Database, initial: ProjectionMeta): Projector => {
  let committed = initial;

  /** Folds the next window in one transaction; false when there was nothing to fold. */
  const foldWindow = async (to: number): Promise<boolean> =>
    database
      .transaction(async (queries) => {
        const rows = await queries.all<EventRow>(
          `SELECT ${eventColumnList} FROM log.event WHERE "offset" > ? AND "offset" <= ? ORDER BY "offset" LIMIT ?`,
          [committed.checkpoint, to, windowEvents],
        );
        const last = rows.at(-1);
        if (!last) return false;
        const events = rows.map(eventOf);
        const meta = structuredClone(committed);
        const store = storeOf(queries);
        const outcomes = events.filter((event) => event.type === 'outcome') as Recorded<OutcomeEvent>[];
        const facts = events.filter((event) => event.type !== 'outcome') as Recorded<BucketEvent>[];
        const files = await foldBucketEvents(store, facts, meta.fileFold);
        const mirror = await foldOutcomes(store, outcomes);
        await refreshDirty(store);
        meta.stats.files += files.files;
        meta.stats.bytes += files.bytes;
        meta.stats.mirrorFiles += mirror.files;
        meta.stats.mirrorBytes += mirror.bytes;
        countEvents(meta.stats, events);
        meta.checkpoint = last.offset;
        await writeMeta(queries, meta);
        return meta;
      })
      .then((meta) => {
        if (meta === false) return false;
        committed = meta;
        return true;
      });

  const foldTo = async ({ to, onProgress, signal }: Parameters<Projector['catchUp']>[0] = {}): Promise<number> => {
    const end = to ?? (await lastOffset(database));
    while (!signal?.aborted && committed.checkpoint < end && (await foldWindow(end)))
      onProgress?.(committed.checkpoint);
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
    close: () => database.close(),
  };
};
