import { scan as accumulate, lastValueFrom, map, tap } from 'rxjs';
import type { Format } from '../../events/decode.ts';
import type { Recorded } from '../../events/event.ts';
import type { Bucket } from '../bucket/bucket.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { messageOf } from '../errors.ts';
import { furthestTime } from '../intake/ahead.ts';
import { type Intake, takeIn } from '../intake/intake.ts';
import type { PermissionSources } from '../intake/unstated.ts';
import { createFollower } from '../projector/follow.ts';
import { backoffMs, pause } from '../sources/backoff.ts';
import { type BatchResult, consume } from '../sources/consume.ts';
import type { Source } from '../sources/source.ts';
import type { Queries } from '../storage/database.ts';
import { type Context, permissionSources } from './context.ts';

/** What a stream of batches came to. `refused` counts messages for which quarantine had no room. */
export type Consumed = Omit<Intake, 'refused' | 'waiting' | 'unsettled'> & {
  readonly refused: number;
  /** Messages that the bucket must be asked about, while it was away, and that nobody delivers again. */
  readonly waiting: number;
};

const nothing: Consumed = {
  messages: 0,
  appended: 0,
  duplicates: 0,
  ignored: 0,
  rejected: 0,
  quarantined: 0,
  refused: 0,
  waiting: 0,
};

const batchBytesMax = 64 * 1024 * 1024;
/** How long a message without room in quarantine is held back from a broker that would deliver it again at once. */
const refusedMs = 30_000;
/** How long one that the bucket must be asked about is, while the bucket is away: each return is one nearer to dead letters. */
const awayMs = 300_000;
/** How long a batch is kept that cannot be committed, which costs it nothing at its broker while its leases last. */
const keptMs = 300_000;
/** The longest pause before a batch while the bucket cannot be asked. */
const waitMsMax = 30_000;

/** From this many failures in a row on, nobody would call it passing: it is told also where only errors are. */
const loudAfter = 3;

const tell = (logger: Context['logger'], result: BatchResult<Intake>): void => {
  if (result.kind === 'failed') {
    const { deliveries: messages, reason, retryMs, inARow } = result;
    const severity = inARow < loudAfter ? 'warn' : 'error';
    const fate = result.kept ? 'batch is kept, and tried again' : 'batch goes back to its broker';
    return logger[severity]({ messages, reason, retryMs, inARow }, fate);
  }
  const { quarantined, refused, waiting, unsettled, waitingFor: reason, ...counts } = result.counts;
  if (unsettled > 0)
    logger.warn(
      { renames: unsettled },
      "renames lead to files that the log does not know, and the bucket was not asked about all: run 's3-sync reconcile'",
    );
  if (waiting.length > 0) logger.warn({ messages: waiting.length, reason }, 'messages wait for the bucket');
  if (refused.length > 0)
    logger.error(
      { messages: refused.length, first: refused[0]?.deliveryId },
      "QUARANTINE IS FULL: messages that are not understood stay with their broker; see 's3-sync quarantine list', then retry or drop some",
    );
  if (quarantined > 0) logger.warn({ quarantined }, 'messages were not understood');
  if (result.ackProblem !== undefined)
    logger.warn(
      { reason: result.ackProblem },
      'acks were not taken: the broker may deliver again, which has no effect',
    );
  logger.debug({ ...counts, quarantined }, 'batch committed');
};

const tellAhead = (logger: Context['logger'], appended: readonly Recorded[]): void => {
  const furthest = furthestTime();
  const ahead = appended.filter(({ time }) => time > furthest);
  const [first] = ahead;
  if (!first) return;
  const { path, time, source } = first;
  logger.warn(
    { events: ahead.length, path, time, source },
    "events are dated in the future: until then later changes of their paths have no effect. Set the producer's clock right, then run 's3-sync reconcile', and again now and then until that time",
  );
};

/**
 * Runs the stream: receive, decode, append, commit, ack; projections follow. Ends at the signal, or once nothing has come
 * for `idleMs`. Resolves, when all is folded, with what became of all messages.
 */
export const consumeInto = async (
  context: Context,
  workspace: Workspace,
  source: Source,
  options: {
    idleMs?: number;
    bucket?: Bucket;
    format?: Format;
    bucketName?: string;
    onProgress?: (consumed: Consumed) => void;
    /** Nobody would deliver a refused message again: it is counted, and the rest goes on. */
    oneShot?: boolean;
  } = {},
): Promise<Consumed> => {
  const { config, logger, signal } = context;
  const bucketName = options.bucketName ?? config.optional('CUSTOMER_S3_BUCKET');
  const follower = createFollower(workspace.projector, (error, retryMs) =>
    logger.warn({ reason: messageOf(error), retryMs }, 'projections stay behind the log, folding is tried again'),
  );
  const { files, ...rest } = permissionSources(context, workspace);
  // Permissions in metadata are asked for where the file table says that they matter: then all must be folded before.
  const folded: Pick<Queries, 'all'> = {
    all: async (sql, parameters) => {
      await follower.settled();
      return workspace.projector.database.all(sql, parameters);
    },
  };
  const permissions: PermissionSources = { ...rest, ...(files && { files: folded }) };
  /** Who sends over HTTP is told when to come again, and should not be kept waiting for that. */
  const senderWaits = source.name === 'http';
  /** Batches in a row of which all had to wait: the next one does not hurry. */
  let idle = 0;
  const step = async (deliveries: Parameters<typeof takeIn>[0]): Promise<Intake> => {
    if (idle > 0 && !senderWaits && !options.oneShot) await pause(backoffMs(idle, waitMsMax), signal);
    await follower.ready();
    const intake = await takeIn(deliveries, {
      log: workspace.log,
      sourceName: source.name,
      signal,
      ...(bucketName !== undefined && { bucketName }),
      ...(options.bucket && { bucket: options.bucket }),
      permissions,
      views: { all: workspace.projector.database.all, settled: follower.settled },
      ...(options.format !== undefined && { format: options.format }),
      onAppended: (events) => {
        tellAhead(logger, events);
        follower.grown(events.length, events);
      },
    });
    idle = intake.waiting.length === deliveries.length ? idle + 1 : 0;
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
    ...(!options.oneShot && {
      refusedBy: ({ refused }: Intake) => refused,
      waitingBy: ({ waiting }: Intake) => waiting,
    }),
    keptMs: senderWaits ? 0 : Math.min(keptMs, 1_000 * config.number('LEASE_MAX')),
    refusedMs: senderWaits ? 0 : refusedMs,
    waitingMs: senderWaits ? 0 : awayMs,
  }).pipe(
    tap((result) => tell(logger, result)),
    map((result) =>
      result.kind === 'committed'
        ? { ...result.counts, refused: result.counts.refused.length, waiting: result.counts.waiting.length }
        : nothing,
    ),
    accumulate(
      (sum, batch): Consumed => ({
        messages: sum.messages + batch.messages,
        appended: sum.appended + batch.appended,
        duplicates: sum.duplicates + batch.duplicates,
        ignored: sum.ignored + batch.ignored,
        rejected: sum.rejected + batch.rejected,
        quarantined: sum.quarantined + batch.quarantined,
        refused: sum.refused + batch.refused,
        waiting: sum.waiting + batch.waiting,
        ...((batch.waitingFor ?? sum.waitingFor) !== undefined && { waitingFor: batch.waitingFor ?? sum.waitingFor }),
      }),
      nothing,
    ),
    tap((sum) => options.onProgress?.(sum)),
  );
  const consumed = await lastValueFrom(results, { defaultValue: nothing }).catch(async (error: unknown) => {
    await follower.end().catch(() => undefined);
    throw error;
  });
  await follower.end();
  return consumed;
};
