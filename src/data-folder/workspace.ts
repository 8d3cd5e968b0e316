import type { Config } from '../config/config.ts';
import { StoppedError } from '../errors.ts';
import { checkLog } from '../log/check-log.ts';
import { openLog, type WritableLog } from '../log/log.ts';
import { openProjector, type Projector } from '../projector/projector.ts';
import { lockForWriting } from './lock.ts';

/** The log and its projections, open for their one writer. */
export type Workspace = {
  readonly log: WritableLog;
  readonly projector: Projector;
  close(): Promise<void>;
};

/**
 * Locks the data folder, log and projections, checks and opens both, and folds what a crash may have left unfolded.
 * `onDropped` is told why projections that were there are dropped and built anew, which may take long: once `signal` is
 * aborted, what is folded by then is kept, and StoppedError thrown.
 */
export const openWorkspace = async (
  config: Config,
  command: string,
  onDropped?: (reason: string) => void,
  signal?: AbortSignal,
): Promise<Workspace> => {
  const lock = await lockForWriting(config.paths, ['log', 'projections'], command);
  const opened: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    try {
      for (const part of opened.reverse()) await part.close();
    } finally {
      await lock.release();
    }
  };
  try {
    const log = await openLog(config.paths.log);
    opened.push(log);
    await checkLog(log.database);
    const projector = await openProjector({
      path: lock.places.projections,
      logPath: config.paths.log,
      logId: log.logId,
      onDropped,
    });
    opened.push(projector);
    const checkpoint = await projector.catchUp(signal ? { signal } : {});
    if (signal?.aborted && checkpoint < (await log.last()))
      throw new StoppedError(`stopped while the projections were folded, at offset ${checkpoint}: run it again`);
    return { log, projector, close };
  } catch (error) {
    await close();
    throw error;
  }
};
