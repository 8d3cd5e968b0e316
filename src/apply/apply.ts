import type { OperationKind, OutcomeEvent } from '../../events/event.ts';
import { UnreadableError } from '../bucket/errors.ts';
import { ConfigError, FatalError, messageOf, RetryableError, SupersededError } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import { FailedAnswerError, LieError, NoSpaceError, RefusedError } from '../file-manager/client-errors.ts';
import type { Operation, Plan, Step } from '../plan/operation.ts';
import { type BreakerLimits, breakerLimits, createBreaker } from './breaker.ts';
import { type Clock, systemClock } from './clock.ts';
import { type Attempt, createConcurrency } from './concurrency.ts';
import { createOutcomeBuffer } from './outcomes.ts';
import { type PaceLimits, paced } from './pace.ts';
import { NotAttempted, type RetryLimits, retryLimits, withRetries } from './retry.ts';
import { createSchedule, type StepState } from './schedule.ts';
import { createSpaceOrder, type SpaceOrder } from './space.ts';
import { carryOutStep, outcomeOf, type StepContext } from './step.ts';
import { createTally, type Tally } from './tally.ts';

/**
 * What became of a plan. States of steps: `done` confirmed by the file manager · `superseded` the object has changed or is
 * gone, its own event brings it (no failure) · `unreadable` archived, denied or encrypted · `failed` · `skipped` it comes
 * after one that was not done · `not attempted` the cycle ended before. All but `done` come up again in the next cycle.
 */
export type ApplyResult = {
  /** Confirmed operations by kind. */
  readonly done: Partial<Record<OperationKind, number>>;
  readonly states: Record<StepState, number>;
  /** Bytes of confirmed saves. */
  readonly bytes: number;
  readonly retries: number;
  /** The first of those that failed or could not be read, with their reasons; `states` counts them all. */
  readonly failures: readonly {
    readonly path: string;
    readonly kind: OperationKind;
    readonly state: StepState;
    readonly reason: string;
  }[];
  /** Why the cycle ended early, if it did. */
  readonly stopped?: string;
  /** Confirmed saves whose bytes were checked by their length alone. */
  readonly unverified?: number;
  readonly durationMs?: number;
};

export type ApplyOptions = Omit<StepContext, 'signal' | 'onPartial'> & {
  /** Called with confirmed operations, in the order of their confirmation; a batch is durable when it resolves. */
  readonly onOutcomes: (outcomes: readonly OutcomeEvent[]) => Promise<void>;
  /** Called before a step's first request, and waited for: from then on its effect is not certain. */
  readonly onBegin?: (step: Step) => Promise<void>;
  /** Called for a begun step that certainly has no effect: nothing of it was done, and it was not tried again. */
  readonly onEnded?: (step: Step) => void;
  /** Called for a step that failed, of which nothing goes on at the file manager, and whose effect is not known. */
  readonly onUncertain?: (step: Step) => void;
  /** Called for each object that is there and could not be read. */
  readonly onUnreadable?: (step: Step, reason: string) => void;
  /** Called for each object that has changed or is gone. */
  readonly onSuperseded?: (step: Step, reason: string) => void;
  /** Most operations under way at once; how many there are follows the file manager's latency and refusals. */
  readonly concurrency: number;
  readonly pace?: PaceLimits | undefined;
  readonly retry?: Partial<RetryLimits> | undefined;
  readonly breaker?: Partial<BreakerLimits> | undefined;
  /** Failures that end a cycle once they are also the majority: what is wrong then is not about those files. */
  readonly failuresMax?: number | undefined;
  /** Refusals for want of space in a row after which no further save begins. */
  readonly noSpaceMax?: number;
  /** Least speed that is granted to an operation's bytes before its time is up. */
  readonly bytesPerSecondMin?: number;
  /** Once aborted, nothing more is started, and what is under way has `graceMs` to finish. */
  readonly signal?: AbortSignal;
  readonly graceMs?: number;
  readonly clock?: Clock;
  readonly onProgress?: (finished: number, bytes: number) => void;
};

const defaults = { failuresMax: 1_000, noSpaceMax: 20, bytesPerSecondMin: 65_536, graceMs: 5_000 };
/** Bodies up to this size leave an answer's latency telling about the file manager. */
const latencyBytesMax = 65_536;

/**
 * Carries out a plan with bounded concurrency: a step starts once every step it comes after is done, and its outcome
 * durable. What is not done comes up again in the next cycle's diff. A crash between a confirmation and its commit repeats
 * the operation under the same key, and nothing that comes after it has begun. Rejects only when outcomes cannot be
 * committed or the plan is damaged, and then after everything under way has ended.
 */
export const applyPlan = async (plan: Plan, options: ApplyOptions): Promise<ApplyResult> => {
  const { clock = systemClock, onProgress } = options;
  const started = clock.now();
  const tally = createTally();
  const stopping = new AbortController();
  const finished = new AbortController();
  const aborting = abortingAfterGrace(options, clock, stopping, finished.signal);
  const concurrency = createConcurrency(options.concurrency);
  const outcomes = createOutcomeBuffer(options.onOutcomes);
  let ended = 0;
  const schedule = createSchedule(plan.steps, (index, state) => {
    tally.settled(operationAt(plan, index), state);
    // What was never tried is no progress.
    if (state === 'skipped' || state === 'not attempted') return;
    ended += 1;
    onProgress?.(ended, tally.bytes);
  });
  const order = createSpaceOrder(plan.steps, schedule, options.noSpaceMax ?? defaults.noSpaceMax);
  const carryOut = stepRunner(options, { clock, tally, stopping, aborting, order, begin: () => concurrency.begin() });
  let commitFailed: { readonly error: unknown } | undefined;
  const noteFailure = (error: unknown): boolean => {
    commitFailed ??= { error };
    stopping.abort();
    return false;
  };

  // An operation is repeated for as long as the log does not hold its outcome, and the file manager may have forgotten its
  // key by then. A rename that is done twice takes away what a later step has put at its old path.
  const begin = async (step: Step): Promise<void> => {
    if (step.after.length > 0) await outcomes.flush();
    await options.onBegin?.(step);
  };
  const run = async (index: number): Promise<void> => {
    const step = plan.steps[index] as Step;
    const begun = await begin(step).then(() => true, noteFailure);
    if (!begun) {
      order.ended(index, 'other');
      return schedule.settle(index, 'not attempted');
    }
    const { state, outcome } = await carryOut(step);
    if (state === 'again') return order.ended(index, state);
    order.ended(index, state === 'done' ? state : 'other');
    schedule.settle(index, state);
    if (outcome === undefined) return;
    await outcomes.add(outcome).catch(noteFailure);
  };

  let running = 0;
  let woken = Promise.withResolvers<void>();
  for (;;) {
    for (let index: number | undefined; running < concurrency.limit; ) {
      index = order.next();
      if (index === undefined) break;
      if (!stopping.signal.aborted && order.isHopeless(index)) tally.stop(noSpaceReason);
      if (stopping.signal.aborted || order.isHopeless(index)) {
        order.ended(index, 'other');
        schedule.settle(index, 'not attempted');
        continue;
      }
      running += 1;
      run(index).finally(() => {
        running -= 1;
        woken.resolve();
      });
    }
    if (running === 0) break;
    await woken.promise;
    woken = Promise.withResolvers();
  }
  finished.abort();
  await outcomes.flush();
  if (commitFailed) throw commitFailed.error;
  if (schedule.unsettled > 0)
    throw new FatalError(`the plan is damaged: ${schedule.unsettled} operations wait for each other; plan again`);
  if (options.signal?.aborted) tally.stop('stopped by a signal');
  return tally.result(clock.now() - started);
};

const noSpaceReason =
  'the file manager has no space left, so the other saves wait for the next cycle: free some on its disk';

const operationAt = (plan: Plan, index: number): Operation => (plan.steps[index] as Step).operation;

/** Stops when the caller's signal is aborted; the signal that it returns is aborted a while later. */
const abortingAfterGrace = (
  { signal, graceMs = defaults.graceMs }: ApplyOptions,
  clock: Clock,
  stopping: AbortController,
  finished: AbortSignal,
): AbortSignal => {
  const aborting = new AbortController();
  const onAbort = (): void => {
    stopping.abort();
    clock.sleep(graceMs, finished).then(
      () => aborting.abort(),
      () => undefined,
    );
  };
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true, signal: finished });
  return aborting.signal;
};

type Running = {
  readonly clock: Clock;
  readonly tally: Tally;
  readonly stopping: AbortController;
  readonly aborting: AbortSignal;
  readonly order: SpaceOrder;
  readonly begin: () => Attempt;
};

/** What a step came to; `again`: it was refused for want of space, and comes once more after others. */
type Ended = { readonly state: StepState | 'again'; readonly outcome?: OutcomeEvent };

/** Carries a step through its attempts to its state. Never rejects. */
const stepRunner = (options: ApplyOptions, { clock, tally, stopping, aborting, order, begin }: Running) => {
  const limits = { ...retryLimits, ...options.retry };
  const breaker = createBreaker({ ...breakerLimits, ...options.breaker }, clock);
  const fileManager = paced(options.fileManager, options.pace ?? {}, clock);
  const failuresMax = options.failuresMax ?? defaults.failuresMax;
  const speedMin = Math.min(
    options.bytesPerSecondMin ?? defaults.bytesPerSecondMin,
    (options.pace?.bytesPerSecond ?? Number.POSITIVE_INFINITY) / options.concurrency,
  );
  const stop = (reason: string): void => {
    tally.stop(reason);
    stopping.abort();
  };
  /** Steps that come again, of which an attempt got no answer, and so may have an effect yet. */
  const unansweredBefore = new Set<Step>();
  let failed = 0;
  const judge = (error: unknown, step: Step): StepState => {
    if (error instanceof NotAttempted || (aborting.aborted && !(error instanceof SupersededError)))
      return 'not attempted';
    if (error instanceof SupersededError) {
      options.onSuperseded?.(step, messageOf(error));
      return 'superseded';
    }
    const state = error instanceof UnreadableError ? 'unreadable' : 'failed';
    tally.problem(step.operation, state, messageOf(error));
    if (state === 'unreadable') options.onUnreadable?.(step, messageOf(error));
    if (breaker.gaveUp) stop(`the file manager or the bucket failed again and again, last: ${messageOf(error)}`);
    if (endsTheCycle(error)) stop(messageOf(error));
    if (state === 'failed') failed += 1;
    if (failed >= failuresMax && failed > tally.states.done)
      stop(`${failed} operations failed, more than succeeded, last: ${messageOf(error)}`);
    return state;
  };
  return async (step: Step): Promise<Ended> => {
    const size = step.result?.size ?? 0;
    let uncertain = order.wasRefused(step);
    let unanswered = unansweredBefore.has(step);
    const carried = step.operation.kind === 'save' ? size : 0;
    try {
      const onPartial = (): void => {
        uncertain = true;
      };
      const result = await withRetries((signal) => carryOutStep(step, { ...options, fileManager, signal, onPartial }), {
        clock,
        limits,
        breaker,
        allowanceMs: (size / speedMin) * 1_000,
        stopping: stopping.signal,
        aborting,
        onRetry: (error) => {
          uncertain = true;
          if (!isOver(error)) unanswered = true;
          tally.retried();
        },
        onAttempt: () => watchAttempt(begin(), carried, clock),
      });
      failpoint('step.after');
      tally.confirmed(step.operation, result);
      return { state: 'done', outcome: outcomeOf(step, result, new Date(clock.now()).toISOString()) };
    } catch (error) {
      if (error instanceof NoSpaceError && order.refuse(step) && !stopping.signal.aborted) {
        tally.retried();
        if (unanswered) unansweredBefore.add(step);
        return { state: 'again' };
      }
      if (!uncertain && hadNoEffect(error)) options.onEnded?.(step);
      else if (!unanswered && isOver(error)) options.onUncertain?.(step);
      return { state: judge(error, step) };
    }
  };
};

/** Whether the request that an attempt ended with has left everything as it was: none was sent whole, or it was refused. */
const hadNoEffect = (error: unknown): boolean =>
  error instanceof SupersededError ||
  error instanceof UnreadableError ||
  error instanceof RefusedError ||
  error instanceof NotAttempted;

/** Whether nothing goes on at the file manager after such an end, so that the attempt can have no effect later on. */
const isOver = (error: unknown): boolean =>
  hadNoEffect(error) || error instanceof LieError || error instanceof FailedAnswerError;

/** Tells the concurrency how an attempt ended; how long it took only where its bytes do not matter. */
const watchAttempt = (attempt: Attempt, size: number, clock: Clock) => {
  const begun = clock.now();
  return (error?: unknown): void => {
    if (error === undefined) attempt.succeeded(size <= latencyBytesMax ? clock.now() - begun : undefined);
    else if (error instanceof RetryableError && !(error instanceof NoSpaceError)) attempt.overloaded();
  };
};

/** Errors that every other operation would meet as well: wrong token or credentials, no file manager, no bucket. */
const endsTheCycle = (error: unknown): boolean =>
  error instanceof ConfigError || (error instanceof Error && 'stop' in error && error.stop === true);
