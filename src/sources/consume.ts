import { defer, EMPTY, expand, from, type Observable, of, switchMap } from 'rxjs';
import { ConfigError, FatalError, messageOf } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import { backoffMs, pause } from './backoff.ts';
import { createReturns } from './returns.ts';
import type { BatchLimits, Delivery, Source } from './source.ts';

export type BatchResult<Counts> =
  | {
      readonly kind: 'committed';
      readonly deliveries: number;
      readonly counts: Counts;
      /** Deliveries of the batch that the step had no room for: not acked, and given back a while later. */
      readonly refused: number;
      /** Why the broker may deliver the batch again: it did not take the acks. Harmless, dedupe absorbs it. */
      readonly ackProblem?: string;
    }
  /**
   * The commit failed, the `inARow`th time without one that did not; after `retryMs` the batch is tried again where it is
   * `kept`, and else the next one.
   */
  | {
      readonly kind: 'failed';
      readonly deliveries: number;
      readonly reason: string;
      readonly retryMs: number;
      readonly inARow: number;
      readonly kept: boolean;
    };

export type ConsumeOptions<Counts> = {
  readonly limits: BatchLimits;
  /** Graceful stop: the batch in hand is finished, then the source is closed. */
  readonly signal: AbortSignal;
  /** Completes when nothing came for this long. */
  readonly idleMs?: number;
  readonly retryMsMax?: number;
  /**
   * How long a batch that cannot be committed is kept and tried again, before its broker gets it back: each time it goes
   * back brings it nearer to the dead letters. Left out, it goes back at once.
   */
  readonly keptMs?: number;
  /** The deliveries that a committed step could not keep. They stay unacked; the others of the batch are acked. */
  readonly refusedBy?: (counts: Counts) => readonly Delivery[];
  /** How long what was refused is held back before its broker gets it: it would come again at once. */
  readonly refusedMs?: number;
  /** The deliveries that wait for something that was away. They stay unacked too, and are held back for longer. */
  readonly waitingBy?: (counts: Counts) => readonly Delivery[];
  readonly waitingMs?: number;
};

/** Deliveries that may wait at once; then the broker keeps the others, and does not count them as received. */
const waitingMax = 1_000;

const isForGood = (error: unknown): boolean => error instanceof FatalError || error instanceof ConfigError;

/** Why an ack failed, unless no later one can do better: then messages would come again for ever, and the stream ends. */
const tolerable = (error: unknown): string => {
  if (isForGood(error)) throw error;
  return messageOf(error);
};

/**
 * Receive, commit, ack: one step, and the next one starts only when it has ended. RxJS has no backpressure, so nothing
 * is ever queued here; what waits, waits at the broker.
 *
 * `step` decodes, appends and commits. `ack` follows only a step that resolved; a step that goes on throwing is answered with `nack`.
 * What the step refused is given back after a while, so that a broker that redelivers at once cannot make a busy loop.
 * ConfigError and FatalError of any of them end the stream with that error, anything else is retried with backoff and full jitter.
 * A crash between commit and ack repeats the batch; the log's dedupe absorbs it.
 * The source is closed before the stream ends, on every path.
 */
export const consume = <Counts>(
  source: Source,
  step: (deliveries: readonly Delivery[]) => Promise<Counts>,
  options: ConsumeOptions<Counts>,
): Observable<BatchResult<Counts>> => {
  const { limits, signal, idleMs, retryMsMax = 30_000, keptMs = 0, refusedBy, waitingBy } = options;
  let failures = 0;
  let inHand: { readonly deliveries: readonly Delivery[]; readonly untilMs: number } | undefined;
  const refusals = createReturns(source, { holdMs: options.refusedMs ?? 30_000 });
  const waiters = createReturns(source, { holdMs: options.waitingMs ?? 300_000, heldMax: Number.POSITIVE_INFINITY });

  const giveBack = async (deliveries: readonly Delivery[]): Promise<void> => {
    inHand = undefined;
    await source.nack(deliveries).catch(() => undefined);
  };

  /** Whether the deliveries stay in hand for another try; else they have gone back. */
  const keep = async (deliveries: readonly Delivery[]): Promise<boolean> => {
    inHand ??= { deliveries, untilMs: Date.now() + keptMs };
    if (Date.now() < inHand.untilMs) return true;
    await giveBack(deliveries);
    return false;
  };

  const close = async (): Promise<void> => {
    if (inHand) await giveBack(inHand.deliveries);
    await Promise.all([refusals.flush(), waiters.flush()]);
    await source.close();
  };

  const commit = async (deliveries: readonly Delivery[]): Promise<BatchResult<Counts>> => {
    let counts: Counts;
    try {
      counts = await step(deliveries);
    } catch (error) {
      if (isForGood(error)) {
        await giveBack(deliveries);
        throw error;
      }
      const kept = await keep(deliveries);
      const retryMs = backoffMs(failures++, retryMsMax);
      const facts = { deliveries: deliveries.length, reason: messageOf(error), retryMs, inARow: failures };
      return { kind: 'failed', ...facts, kept };
    }
    failures = 0;
    inHand = undefined;
    // Committed is committed: a lost ack only means that the broker delivers again.
    const refused = refusedBy?.(counts) ?? [];
    const waiting = waitingBy?.(counts) ?? [];
    const unkept = new Set([...refused, ...waiting]);
    const kept = unkept.size === 0 ? deliveries : deliveries.filter((delivery) => !unkept.has(delivery));
    failpoint('ack.before');
    const ackProblem = await source.ack(kept).then(() => undefined, tolerable);
    failpoint('ack.after');
    await refusals.add(refused);
    await waiters.add(waiting);
    return {
      kind: 'committed',
      deliveries: deliveries.length,
      counts,
      refused: unkept.size,
      ...(ackProblem !== undefined && { ackProblem }),
    };
  };

  const next = async (previous?: BatchResult<Counts>): Promise<BatchResult<Counts> | undefined> => {
    try {
      if (previous?.kind === 'failed') await pause(previous.retryMs, signal);
      if (inHand && !signal.aborted) return await commit(inHand.deliveries);
      await waiters.room(waitingMax, signal);
      const deliveries = await source.receive(limits, { signal, ...(idleMs === undefined ? {} : { idleMs }) });
      if (deliveries.length > 0) {
        failpoint('receive.after');
        return await commit(deliveries);
      }
    } catch (error) {
      await close().catch(() => undefined);
      throw error;
    }
    await close();
    return undefined;
  };

  const emit = (previous?: BatchResult<Counts>) =>
    defer(() => from(next(previous))).pipe(switchMap((result) => (result === undefined ? EMPTY : of(result))));
  return emit().pipe(expand((previous) => emit(previous), 1));
};
