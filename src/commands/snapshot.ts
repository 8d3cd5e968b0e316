import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { FileTable } from '../../projections/store.ts';
import type { Config } from '../config/config.ts';
import { outputPlace } from '../data-folder/output-place.ts';
import { ConfigError, exitCode, FatalError } from '../errors.ts';
import type { Log } from '../log/read-log.ts';
import { readMeta } from '../projector/meta.ts';
import { openProjector, type Projector } from '../projector/projector.ts';
import { type ExportPlaces, exportPlaces, exportSnapshot, writeSnapshot } from '../snapshot/export.ts';
import type { Queries } from '../storage/database.ts';
import type { Context } from './context.ts';
import { openExistingLog } from './replay.ts';

/** Exports what the live projections hold, if that is the state at this offset. */
const exportLive = async (
  path: string,
  { log, offset }: { readonly log: Log; readonly offset: number },
  export_: (queries: Queries) => Promise<void>,
): Promise<boolean> => {
  const { openProjections } = await import('../status/projections.ts');
  const projections = await openProjections(path, log);
  try {
    return (
      (await projections?.database.reading(async (queries) => {
        if ((await readMeta(queries))?.checkpoint !== offset) return false;
        await export_(queries);
        return true;
      })) ?? false
    );
  } finally {
    await projections?.database.close();
  }
};

/** Where the CSV goes and its manifest; undefined for standard output. */
const placesOf = async (out: string | undefined, { paths }: Config): Promise<ExportPlaces | undefined> => {
  if (out === undefined || out === '-') return undefined;
  const path = resolve(out);
  const folder = dirname(path);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new ConfigError(`--out: there is no folder ${folder}: make it, or name a file elsewhere`);
  const { csv, manifest } = exportPlaces(path);
  return { csv: await outputPlace(csv, '--out', paths), manifest: await outputPlace(manifest, '--out', paths) };
};

/**
 * Exports a projection as CSV. The rows are folded anew from the log up to the offset when an earlier one is asked for, or
 * when the projections are behind the log: the export never shows half of what was recorded, and never takes the lock.
 */
export const runSnapshot = async (
  context: Context,
  flags: { out?: string; at?: string; projection?: string },
): Promise<number> => {
  const { config } = context;
  const table = (flags.projection ?? 'file') as FileTable;
  if (table !== 'file' && table !== 'mirror')
    throw new ConfigError(`--projection: expected file or mirror, found ${JSON.stringify(table)}`);
  // Before anything is folded for a file that could not be published.
  const places = await placesOf(flags.out, config);
  if (flags.at !== undefined && !/^\d{1,15}$/.test(flags.at))
    throw new ConfigError(`--at: expected an offset, found ${JSON.stringify(flags.at)}`);
  const log = await openExistingLog(config);
  const folder = await mkdtemp(join(tmpdir(), 's3-sync-snapshot-'));
  let projector: Projector | undefined;
  try {
    const last = await log.last();
    const offset = flags.at === undefined ? last : Number(flags.at);
    if (offset > last) throw new ConfigError(`--at ${offset}: the log ends at offset ${last}`);
    const export_ = async (queries: Queries): Promise<void> => {
      const options = { table, offset };
      if (!places) await writeSnapshot(queries, options, async (records) => context.print(records));
      else {
        const manifest = await exportSnapshot(queries, places, options);
        context.logger.info({ ...manifest, out: flags.out }, 'snapshot exported');
      }
    };
    if (await exportLive(config.paths.projections, { log, offset }, export_)) return exitCode.done;
    projector = await openProjector({
      path: join(folder, 'projections.db'),
      logPath: config.paths.log,
      logId: log.logId,
      rebuilding: true,
    });
    const checkpoint = await projector.catchUp({ to: offset, signal: context.signal });
    if (checkpoint < offset) throw new FatalError(`stopped at offset ${checkpoint} of ${offset}: nothing was exported`);
    await projector.database.reading(export_);
    return exitCode.done;
  } finally {
    await projector?.close();
    await log.close();
    await rm(folder, { recursive: true, force: true });
  }
};
