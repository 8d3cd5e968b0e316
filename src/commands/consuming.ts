import { scan as accumulate, lastValueFrom, map, tap } from 'rxjs';
import type { Format } from '../../events/decode.ts';
import type { Bucket } from '../bucket/bucket.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { RetryableError } from '../errors.ts';
import { type Intake, takeIn } from '../intake/intake.ts';
import { consume } from '../sources/consume.ts';
import type { Source } from '../sources/source.ts';
import type { Context } from './context.ts';

/** What a stream of batches came to. */
export type Consumed = Omit<Intake, 'refused'>;

const nothing: Consumed = { messages: 0, appended: 0, duplicates: 0, ignored: 0, quarantined: 0 };

const batchBytesMax = 64 * 1024 * 1024;

/**
 * Runs the stream: receive, decode, append, commit, project, then ack. Ends at the signal, or once nothing has come for
 * `idleMs`. Resolves with what became of all messages.
 */
export const consumeInto = (
  context: Context,
  workspace: Workspace,
  source: Source,
  options: {
    idleMs?: number;
    bucket?: Bucket;
    format?: Format;
    bucketName?: string;
    onProgress?: (consumed: Consumed) => void;
  } = {},
): Promise<Consumed> => {
  const { config, logger, signal } = context;
  const bucketName = options.bucketName ?? config.optional('CUSTOMER_S3_BUCKET');
  const step = async (deliveries: Parameters<typeof takeIn>[0]): Promise<Intake> => {
    const intake = await takeIn(deliveries, {
      log: workspace.log,
      sourceName: source.name,
      signal,
      ...(bucketName !== undefined && { bucketName }),
      ...(options.bucket && { bucket: options.bucket }),
      ...(options.format !== undefined && { format: options.format }),
    });
    await workspace.projector.catchUp();
    if (intake.refused.length > 0) {
      throw new RetryableError(
        `quarantine is full: ${intake.refused.length} messages stay with their broker; see 's3-sync quarantine list', then retry or drop some`,
      );
    }
    return intake;
  };
  const limits = {
    messagesMax: config.number('BATCH_MESSAGES'),
    bytesMax: batchBytesMax,
    lingerMs: config.number('BATCH_LINGER_MS'),
  };
  const results = consume(source, step, {
    limits,
    signal,
    ...(options.idleMs !== undefined && { idleMs: options.idleMs }),
  }).pipe(
    tap((result) => {
      if (result.kind === 'failed')
        logger.warn(
          { messages: result.deliveries, reason: result.reason, retryMs: result.retryMs },
          'batch goes back to its broker',
        );
      else if (result.counts.quarantined > 0)
        logger.warn({ quarantined: result.counts.quarantined }, 'messages were not understood');
      else logger.debug(result.counts, 'batch committed');
    }),
    map((result) => (result.kind === 'committed' ? result.counts : nothing)),
    accumulate(
      (sum, batch): Consumed => ({
        messages: sum.messages + batch.messages,
        appended: sum.appended + batch.appended,
        duplicates: sum.duplicates + batch.duplicates,
        ignored: sum.ignored + batch.ignored,
        quarantined: sum.quarantined + batch.quarantined,
      }),
      nothing,
    ),
    tap((sum) => options.onProgress?.(sum)),
  );
  return lastValueFrom(results, { defaultValue: nothing });
};
