import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { FileTable } from '../../projections/store.ts';
import { ConfigError, exitCode } from '../errors.ts';
import { openProjector, type Projector } from '../projector/projector.ts';
import { exportSnapshot, writeSnapshot } from '../snapshot/export.ts';
import type { Context } from './context.ts';
import { openExistingLog } from './replay.ts';

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
  if (flags.out === '') throw new ConfigError('--out: expected a file, or - for standard output');
  if (flags.at !== undefined && !/^\d{1,15}$/.test(flags.at))
    throw new ConfigError(`--at: expected an offset, found ${JSON.stringify(flags.at)}`);
  const log = await openExistingLog(config);
  const folder = await mkdtemp(join(tmpdir(), 's3-sync-snapshot-'));
  let projector: Projector | undefined;
  try {
    const last = await log.last();
    const offset = flags.at === undefined ? last : Number(flags.at);
    if (offset > last) throw new ConfigError(`--at ${offset}: the log ends at offset ${last}`);
    const { openProjections } = await import('../status/projections.ts');
    const live = existsSync(config.paths.projections)
      ? await openProjections(config.paths.projections, log.logId)
      : undefined;
    const export_ = async (queries: Parameters<typeof writeSnapshot>[0]): Promise<void> => {
      const options = { table, offset };
      const out = flags.out ?? '-';
      if (out === '-') await writeSnapshot(queries, options, async (records) => context.print(records.toString()));
      else {
        const manifest = await exportSnapshot(queries, resolve(out), options);
        context.logger.info({ ...manifest, out }, 'snapshot exported');
      }
    };
    try {
      if (live?.meta.checkpoint === offset) await live.database.reading(export_);
      else {
        projector = await openProjector({
          path: join(folder, 'projections.db'),
          logPath: config.paths.log,
          logId: log.logId,
          rebuilding: true,
        });
        await projector.catchUp({ to: offset, signal: context.signal });
        await projector.database.reading(export_);
      }
    } finally {
      await live?.database.close();
    }
    return exitCode.done;
  } finally {
    await projector?.close();
    await log.close();
    await rm(folder, { recursive: true, force: true });
  }
};
