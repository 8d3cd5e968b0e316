import { setTimeout as pause } from 'node:timers/promises';
import { codeOf, FatalError, messageOf, RetryableError } from '../errors.ts';
import type { Database } from '../storage/database.ts';
import type { BackupStorage } from './backup.ts';
import {
  type BackupCounts,
  type BackupNotes,
  backupNotes,
  beginAt,
  countsOf,
  type Due,
  folderStamp,
  forgetHeld,
  heldAt,
  nextDue,
  nextTry,
  postpone,
  refusedAt,
  settle,
  takeStock,
} from './backup-due.ts';
import { createBackupTelling } from './backup-telling.ts';
import { nothing, openFile, stampOf } from './disk.ts';
import type { Log } from './log.ts';
import { isFolder, look, onDisk } from './paths.ts';
import { isExplicit } from './state.ts';

/**
 * Carries what is due (backup-due.ts) over to the backup storage, one path at a time. When one fails, the storage is asked
 * whether it can be used. If it cannot, all wait, with growing pauses. If it can, the path has failed for itself: it waits, ever
 * longer, and the others go on.
 */
export type BackupWorker = {
  /** To note changes with, so that they become due. */
  readonly notes: BackupNotes;
  /** Takes up what changed while there was no backup storage, or another one. It need not answer for that. */
  catchUp(): Promise<void>;
  start(): void;
  /** A change has committed. */
  wake(): void;
  counts(): Promise<BackupCounts>;
  /** Gives up what is under way; it stays due, for the next start. */
  stop(): Promise<void>;
};

type Doubling = { readonly first: number; readonly most: number };

/** In milliseconds. */
export type BackupWaits = {
  /** While the storage is of no use. */
  readonly away: Doubling;
  /** Until a path is tried again that is refused: mostly only a person can mend that. */
  readonly refused: Doubling;
  /** Until a path is tried again about which there was no answer, or one that may pass. */
  readonly failed: Doubling;
  /** Between a path that failed and the next. */
  readonly between: number;
  /** How long the same problem of the storage is told once. */
  readonly told: number;
};

const defaults: BackupWaits = {
  away: { first: 500, most: 60_000 },
  refused: { first: 900_000, most: 86_400_000 },
  failed: { first: 30_000, most: 900_000 },
  between: 100,
  told: 600_000,
};

const doubled = ({ first, most }: Doubling, times: number): number => Math.min(first * 2 ** times, most);

export const createBackupWorker = (options: {
  root: string;
  db: Database;
  log: Log;
  storage: BackupStorage;
  waits?: Partial<BackupWaits> | undefined;
}): BackupWorker => {
  const { root, db, log, storage } = options;
  const waits = { ...defaults, ...options.waits };
  const telling = createBackupTelling(log, waits.told);
  const stopping = new AbortController();
  const { signal } = stopping;
  let running: Promise<void> | undefined;
  let isReady = false;
  /** What the storage had taken, which is not due yet. */
  let hasForgotten = false;
  /** In a row, of the storage as a whole. */
  let failures = 0;
  let isWoken = false;
  let endRest = (): void => undefined;

  const catchUp = (): Promise<void> => db.transaction((queries) => takeStock(queries, storage.place, new Date()));

  /** Rejects when the storage is of no use at present. False when it has just begun anew, and everything is due. */
  const insistReady = async (): Promise<boolean> => {
    const isThere = await storage.isThere(signal);
    if (!isThere) {
      // Before it is made: what it was said to hold would be taken for what the new one holds.
      await forgetHeld(db);
      hasForgotten = true;
      await storage.make(signal);
      // Nothing would wait between one try and the next.
      if (!(await storage.isThere(signal))) throw new RetryableError('it has been made, and is not there yet');
    }
    if (hasForgotten) {
      log.warn({ place: storage.place }, 'the backup storage was not there and has been made: it gets everything');
      await catchUp();
    }
    hasForgotten = false;
    isReady = true;
    telling.goesOn();
    return isThere;
  };

  const failed = async (due: Due, error: unknown): Promise<void> => {
    const schedule = error instanceof RetryableError ? waits.failed : waits.refused;
    const nextAt = new Date(Date.now() + doubled(schedule, due.tries));
    await db.transaction((queries) => postpone(queries, due, messageOf(error), nextAt));
    telling.failed(due, error, nextAt);
    await pause(waits.between, undefined, { signal, ref: false });
  };

  /** Until all that is left waits; resolves with how long. */
  const round = async (): Promise<number> => {
    if (!isReady) await insistReady();
    for (let due = await nextDue(db, new Date()); due; due = await nextDue(db, new Date())) {
      signal.throwIfAborted();
      try {
        await carryOver({ root, db, storage, signal }, due);
        failures = 0;
      } catch (error) {
        signal.throwIfAborted();
        if (await insistReady()) await failed(due, error);
      }
    }
    const next = await nextTry(db);
    return next === undefined ? waits.away.most : Math.min(next.getTime() - Date.now(), waits.away.most);
  };

  const rest = async (ms: number): Promise<void> => {
    const resting = new AbortController();
    endRest = () => resting.abort();
    if (!isWoken && !signal.aborted)
      await pause(ms, undefined, { signal: resting.signal, ref: false }).catch(() => undefined);
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      isWoken = false;
      try {
        const waitMs = await round();
        failures = 0;
        await rest(waitMs);
      } catch (error) {
        if (signal.aborted) return;
        isReady = false;
        const waitMs = doubled(waits.away, failures++);
        telling.waits(error, waitMs);
        await pause(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  };

  return {
    notes: backupNotes,
    catchUp,
    start: () => {
      running = run();
    },
    wake: () => {
      isWoken = true;
      endRest();
    },
    counts: () => countsOf(db),
    stop: async () => {
      stopping.abort();
      endRest();
      await running;
    },
  };
};

type Way = {
  readonly root: string;
  readonly db: Database;
  readonly storage: BackupStorage;
  readonly signal: AbortSignal;
};

/** Brings the backup of one path to what the disk holds now. `backed_up` keeps which bytes the backup storage has taken. */
const carryOver = async (way: Way, due: Due): Promise<void> => {
  const { root, db, storage, signal } = way;
  const { path } = due;
  const held = await heldAt(db, path);
  let stamp = await stampAt(root, db, path);
  if (stamp !== held) {
    await beginAt(db, path);
    try {
      if (stamp !== undefined && !(await isCopied(way, due, stamp))) stamp = await upload(way, path);
      if (stamp === undefined) await storage.remove(path, signal);
    } catch (error) {
      if (held === undefined && error instanceof FatalError) await refusedAt(db, path);
      throw error;
    }
  }
  const taken = stamp;
  await db.transaction((queries) => settle(queries, due, taken));
};

/** Of what the disk holds at a path; undefined when the backup storage should hold nothing there. */
const stampAt = async (root: string, db: Database, path: string): Promise<string | undefined> => {
  if (isFolder(path)) return (await isExplicit(db, path)) ? folderStamp : undefined;
  const { kind, stats } = await look(root, path, { lenient: true });
  return kind === 'file' && stats !== undefined ? stampOf(stats) : undefined;
};

/**
 * A copy saves the upload of a renamed file, where the backup storage holds at the old path the very bytes that lie at the
 * new one. It is tried once.
 */
const isCopied = async ({ db, storage, signal }: Way, due: Due, stamp: string): Promise<boolean> => {
  const { source, path, tries } = due;
  if (source === null || tries > 0 || (await heldAt(db, source)) !== stamp) return false;
  return storage.copy(source, path, signal).catch((error: unknown) => {
    if (error instanceof FatalError) return false;
    throw error;
  });
};

/** Sends what a path holds; resolves with the stamp of the very bytes that were sent, or undefined when they are gone. */
const upload = async ({ root, storage, signal }: Way, path: string): Promise<string | undefined> => {
  if (isFolder(path)) {
    await storage.put(path, nothing(), 0, signal);
    return folderStamp;
  }
  const file = await openFile(onDisk(root, path)).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    await storage.put(path, file.body, file.stats.size, signal);
  } finally {
    file.body.destroy();
  }
  return stampOf(file.stats);
};
