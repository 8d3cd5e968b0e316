import { defer, EMPTY, expand, from, type Observable, of, switchMap } from 'rxjs';
import { ConfigError, FatalError, messageOf } from '../errors.ts';
import type { BatchLimits, Delivery, Source } from './source.ts';

export type BatchResult<Counts> =
  | { readonly kind: 'committed'; readonly deliveries: number; readonly counts: Counts }
  /** The commit failed, the batch was given back, and the next one is tried after `retryMs`. */
  | { readonly kind: 'failed'; readonly deliveries: number; readonly reason: string; readonly retryMs: number };

export type ConsumeOptions = {
  readonly limits: BatchLimits;
  /** Graceful stop: the batch in hand is finished, then the source is closed. */
  readonly signal: AbortSignal;
  /** Completes when nothing came for this long. */
  readonly idleMs?: number;
  readonly retryMsMax?: number;
};

export const backoffMs = (failures: number, capMs: number, random: () => number = Math.random): number =>
  Math.round(random() * Math.min(capMs, 200 * 2 ** Math.min(failures, 20)));

export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });

/**
 * Receive, commit, ack: one step, and the next one starts only when it has ended. RxJS has no backpressure, so nothing
 * is ever queued here; what waits, waits at the broker.
 *
 * `step` decodes, appends and commits. `ack` follows only a step that resolved; a step that throws is answered with `nack`.
 * ConfigError and FatalError end the stream with that error, anything else is retried with backoff and full jitter.
 * A crash between commit and ack repeats the batch; the log's dedupe absorbs it.
 * The source is closed before the stream ends, on every path.
 */
export const consume = <Counts>(
  source: Source,
  step: (deliveries: readonly Delivery[]) => Promise<Counts>,
  { limits, signal, idleMs, retryMsMax = 30_000 }: ConsumeOptions,
): Observable<BatchResult<Counts>> => {
  let failures = 0;

  const commit = async (deliveries: readonly Delivery[]): Promise<BatchResult<Counts>> => {
    let counts: Counts;
    try {
      counts = await step(deliveries);
    } catch (error) {
      await source.nack(deliveries).catch(() => undefined);
      if (error instanceof FatalError || error instanceof ConfigError) throw error;
      const retryMs = backoffMs(failures++, retryMsMax);
      return { kind: 'failed', deliveries: deliveries.length, reason: messageOf(error), retryMs };
    }
    failures = 0;
    // Committed is committed: a lost ack only means that the broker delivers again.
    await source.ack(deliveries).catch(() => undefined);
    return { kind: 'committed', deliveries: deliveries.length, counts };
  };

  const next = async (previous?: BatchResult<Counts>): Promise<BatchResult<Counts> | undefined> => {
    try {
      if (previous?.kind === 'failed') await pause(previous.retryMs, signal);
      const deliveries = await source.receive(limits, { signal, ...(idleMs === undefined ? {} : { idleMs }) });
      if (deliveries.length > 0) return await commit(deliveries);
    } catch (error) {
      await source.close().catch(() => undefined);
      throw error;
    }
    await source.close();
    return undefined;
  };

  const emit = (previous?: BatchResult<Counts>) =>
    defer(() => from(next(previous))).pipe(switchMap((result) => (result === undefined ? EMPTY : of(result))));
  return emit().pipe(expand((previous) => emit(previous), 1));
};
