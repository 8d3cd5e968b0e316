import { existsSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OutcomeEvent, Recorded } from '../../events/event.ts';
import { toNative } from '../../events/native-json.ts';
import type { Config } from '../config/config.ts';
import { lockForWriting } from '../data-folder/lock.ts';
import { outputPlace } from '../data-folder/output-place.ts';
import { ConfigError, exitCode, FatalError } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import { findLog, type Log } from '../log/read-log.ts';
import { insistNoFileAt } from '../make-folder.ts';
import { readEventsOn } from '../projector/events-on.ts';
import { insistReplaceable } from '../projector/open-views.ts';
import { openProjector } from '../projector/projector.ts';
import { openDatabase, removeDatabase } from '../storage/database.ts';
import type { Context } from './context.ts';
import { createProgress } from './progress.ts';

export type ReplayFlags = {
  readonly from?: string;
  readonly to?: string;
  readonly into?: string;
  readonly print?: boolean;
  readonly rate?: string;
};

const pageEvents = 5_000;

/** Throws FatalError where no log was made yet. */
export const openExistingLog = async ({ paths }: Config): Promise<Log> => {
  const log = await findLog(paths.log);
  if (log) return log;
  await insistNoFileAt(paths.data, 'DATA_DIR');
  throw new FatalError(
    `there is no event log ${paths.log} yet: 's3-sync initial-sync', 'ingest' or 'subscribe' make one`,
  );
};

const wholeNumber = (text: string | undefined, expected: string, fallback: number): number => {
  if (text === undefined) return fallback;
  if (!/^\d{1,15}$/.test(text)) throw new ConfigError(`${expected}, a whole number, found ${JSON.stringify(text)}`);
  return Number(text);
};

/** An outcome in the spelling of the wire, as bucket events are printed. */
const printedOutcome = ({ offset, modifiedAt, fileId, fileOffset, ...rest }: Recorded<OutcomeEvent>): object => ({
  offset,
  ...rest,
  modified_at: modifiedAt,
  file_id: fileId,
  file_offset: fileOffset,
});

/** Prints events as JSON lines, at most `rate` a second. Throws DamageError before what is not as it was appended. */
const printEvents = async (context: Context, log: Log, from: number, to: number, rate: number): Promise<void> => {
  const started = Date.now();
  let printed = 0;
  const reader = await readEventsOn([log.database], from - 1, to, Math.min(pageEvents, rate));
  const isWanted = (): boolean => !context.signal.aborted && context.isRead?.() !== false;
  for (let page = await reader.next(); page && isWanted(); page = await reader.next()) {
    const lines = page.all.map((event) =>
      JSON.stringify(event.type === 'outcome' ? printedOutcome(event) : { offset: event.offset, ...toNative(event) }),
    );
    context.print(`${lines.join('\n')}\n`);
    printed += lines.length;
    const ahead = (printed / rate) * 1000 - (Date.now() - started);
    if (ahead > 0 && Number.isFinite(ahead)) await sleep(ahead);
  }
  if (reader.error !== undefined) throw reader.error;
};

/** What to fold: the state just before `from` at once, and the rest, up to `to`, at `rate` events a second. */
type Extent = { readonly from: number; readonly to: number; readonly rate: number };

/** Folds events into the file `into`, from nothing. It is there only when all is folded. */
const foldInto = async (context: Context, log: Log, into: string, extent: Extent): Promise<number> => {
  // What a killed process has left: one with the same id as well, as in containers. Without a folder that it could lie in
  // there is nothing, and opening says what is wrong.
  if (statSync(dirname(into), { throwIfNoEntry: false })?.isDirectory()) await removeDatabase(into);
  try {
    const checkpoint = await foldFresh(context, log, into, extent);
    await syncFile(into);
    return checkpoint;
  } catch (error) {
    // Where that fails as well, what went wrong first is what is told.
    await removeDatabase(into).catch(() => undefined);
    throw error;
  }
};

const foldFresh = async (context: Context, log: Log, into: string, { from, to, rate }: Extent): Promise<number> => {
  const projector = await openProjector({
    path: into,
    logPath: context.config.paths.log,
    logId: log.logId,
    rebuilding: true,
  });
  try {
    // The state just before `from` is itself a fold; from there on the events are replayed at the pace that was asked for.
    await projector.catchUp({ to: Math.min(from - 1, to), signal: context.signal });
    const progress = createProgress(context.logger, 'replaying', 'events');
    if (!Number.isFinite(rate)) {
      await projector.catchUp({ to, signal: context.signal, onProgress: (done) => progress(done, to) });
    } else {
      for (let next = from - 1 + rate; projector.meta().checkpoint < to && !context.signal.aborted; next += rate) {
        progress(await projector.catchUp({ to: Math.min(next, to) }), to);
        await sleep(1000, undefined, { signal: context.signal }).catch(() => undefined);
      }
    }
    const { checkpoint } = projector.meta();
    if (context.signal.aborted) throw new FatalError(`stopped at offset ${checkpoint}: nothing was changed`);
    return checkpoint;
  } finally {
    await projector.close();
  }
};

/** A rebuild syncs nothing by itself. It has no journal beside it, so a rename moves all of it. */
const syncFile = async (path: string): Promise<void> => {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
};

/** Folds the log again: everything, up to an offset, into another file, or prints it. */
export const runReplay = async (context: Context, flags: ReplayFlags): Promise<number> => {
  const { config } = context;
  const from = Math.max(1, wholeNumber(flags.from, '--from: expected an offset', 1));
  const upTo = wholeNumber(flags.to, '--to: expected an offset', Number.POSITIVE_INFINITY);
  const rate = wholeNumber(flags.rate, '--rate: expected a number of events a second', Number.POSITIVE_INFINITY);
  if (rate < 1) throw new ConfigError('--rate: expected at least 1 event a second');
  if (flags.print && flags.into !== undefined) throw new ConfigError('--print and --into exclude each other');
  const log = await openExistingLog(config);
  try {
    const last = await log.last();
    if (Number.isFinite(upTo) && upTo > last) throw new ConfigError(`--to ${upTo}: the log ends at offset ${last}`);
    const to = Math.min(last, upTo);
    if (from > to + 1) throw new ConfigError(`--from ${from} lies behind ${to}, the last offset to replay`);
    if (flags.print) {
      await printEvents(context, log, from, to, rate);
      return exitCode.done;
    }
    if (flags.into !== undefined) {
      const into = resolve(flags.into);
      if (existsSync(into)) throw new ConfigError(`--into: ${into} is there already`);
      const place = await outputPlace(into, '--into', config.paths);
      // Under a name of its own, so that a process that is killed leaves nothing in the way of the same command.
      const fresh = `${place}.tmp-${process.pid}`;
      const checkpoint = await foldInto(context, log, fresh, { from, to, rate });
      await rename(fresh, place);
      context.print(`Folded up to offset ${checkpoint} into ${into}\n`);
      return exitCode.done;
    }
    const lock = await lockForWriting(config.paths, ['projections'], context.command);
    try {
      const { projections } = lock.places;
      await insistReplaceable(projections);
      const fresh = `${projections}.rebuild`;
      const checkpoint = await foldInto(context, log, fresh, { from, to, rate });
      failpoint('replay.folded');
      await retire(projections);
      failpoint('replay.retired');
      await rename(fresh, projections);
      failpoint('replay.swapped');
      context.print(`Folded up to offset ${checkpoint}; the projections are swapped\n`);
    } finally {
      await lock.release();
    }
    return exitCode.done;
  } finally {
    await log.close();
  }
};

/** Leaves no journal beside the new file: SQLite would write it into that. What it holds goes to the old file, if there is one. */
const retire = async (path: string): Promise<void> => {
  if (existsSync(path)) {
    try {
      const database = await openDatabase({ path, mode: 'write' });
      await database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      await database.close();
    } catch {
      // It cannot be read: it is replaced by what is folded from the log.
    }
  }
  for (const suffix of ['-wal', '-shm']) await rm(path + suffix, { force: true });
};
