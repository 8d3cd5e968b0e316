import { ConfigError, messageOf } from '../errors.ts';
import type { Due } from './backup-due.ts';
import type { Log } from './log.ts';

/** What the log says of the backup: each problem again and again while it lasts, and none of them all the time. */
export type BackupTelling = {
  /** Nothing can be backed up at present. */
  waits(error: unknown, waitMs: number): void;
  goesOn(): void;
  failed(due: Due, error: unknown, nextAt: Date): void;
};

/** `sameMs`: how long the same problem is told once. `pathsMost`: how many paths are told of in a minute, by name. */
export const createBackupTelling = (log: Log, sameMs: number, pathsMost = 10): BackupTelling => {
  let told: { readonly error: string; readonly atMs: number } | undefined;
  let minute = { fromMs: Number.NEGATIVE_INFINITY, failed: 0 };
  return {
    waits: (error, waitMs) => {
      const text = messageOf(error);
      if (told?.error === text && performance.now() - told.atMs < sameMs) return;
      told = { error: text, atMs: performance.now() };
      const level = error instanceof ConfigError ? 'error' : 'warn';
      log[level]({ error: text, waitMs }, 'nothing can be backed up, will try again');
    },
    goesOn: () => {
      if (told !== undefined) log.info({}, 'the backup goes on');
      told = undefined;
    },
    failed: ({ path, tries }, error, nextAt) => {
      if (performance.now() - minute.fromMs > 60_000) {
        const more = minute.failed - pathsMost;
        if (more > 0) log.warn({ more }, 'more paths could not be backed up');
        minute = { fromMs: performance.now(), failed: 0 };
      }
      minute.failed += 1;
      if (minute.failed > pathsMost) return;
      const fields = { path, error: messageOf(error), tries: tries + 1, nextAt: nextAt.toISOString() };
      log.warn(fields, 'a path could not be backed up: it is tried again later, and the others go on');
    },
  };
};
