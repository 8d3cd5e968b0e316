import type { OperationKind, OutcomeEvent } from '../../events/event.ts';
import { FatalError } from '../errors.ts';
import type { Operation, Plan, Step } from '../plan/operation.ts';
import type { BreakerLimits } from './breaker.ts';
import { type Clock, systemClock } from './clock.ts';
import { createConcurrency } from './concurrency.ts';
import { createOutcomeBuffer } from './outcomes.ts';
import type { PaceLimits } from './pace.ts';
import type { RetryLimits } from './retry.ts';
import { stepRunner } from './run-step.ts';
import { createSchedule, type StepState } from './schedule.ts';
import { createSending } from './sending.ts';
import { createSilence } from './silence.ts';
import { createSpaceOrder } from './space.ts';
import type { StepContext } from './step.ts';
import { createTally } from './tally.ts';

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
  /** It ended early by what only a person can put right, such as a wrong token. */
  readonly stoppedBySettings?: boolean;
  /** Confirmed saves whose bytes were checked by their length alone. */
  readonly unverified?: number;
  readonly durationMs?: number;
};

export type ApplyOptions = Omit<StepContext, 'signal' | 'serving' | 'onPartial' | 'onMissing' | 'onRemembered'> & {
  /** Called with confirmed operations, in the order of their confirmation; a batch is durable when it resolves. */
  readonly onOutcomes: (outcomes: readonly OutcomeEvent[]) => Promise<void>;
  /** Called before a step's first request, and waited for: from then on its effect is not certain. */
  readonly onBegin?: (step: Step) => Promise<void>;
  /**
   * Called before a step is sent under another key than its operation's id, and waited for; see sending.ts. Without it every
   * answer from the file manager's memory counts.
   */
  readonly onRenewed?: (step: Step) => Promise<void>;
  /** Called for a begun step that certainly has no effect: nothing of it was done, and it was not tried again. */
  readonly onEnded?: (step: Step) => void;
  /** Called for a step that failed, of which nothing goes on at the file manager, and whose effect is not known. */
  readonly onUncertain?: (step: Step) => void;
  /** Called for each object that is there and could not be read. */
  readonly onUnreadable?: (step: Step, reason: string) => void;
  /** Called for each object that has changed or is gone. */
  readonly onSuperseded?: (step: Step, reason: string) => void;
  /** Called for each rename whose file neither the file manager has nor the bucket gives: it would fail again as it is. */
  readonly onMissing?: (step: Step) => void;
  /** Called for each other step that failed. */
  readonly onFailed?: (step: Step, reason: string) => void;
  /** Called beside `onFailed` where the last attempt got no answer: what it asked for may happen yet. */
  readonly onSilent?: (step: Step, reason: string) => void;
  /** In how many cycles before a step has failed: those that failed least go first, as far as dependencies allow. */
  readonly timesFailed?: (step: Step) => number;
  /** Paths of operations that are under way, and have got no answer; see silence.ts. */
  readonly silentAt?: readonly string[];
  /** Once so many got no answer nothing more is begun, and from the first of them on none is waited for again and again. */
  readonly silentMax?: number;
  /** Most operations under way at once; how many there are follows the file manager's latency and refusals. */
  readonly concurrency: number;
  /** The file manager takes permissions with the content of a save. What was begun otherwise goes on so. */
  readonly savePermissions?: boolean;
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

const defaults = { noSpaceMax: 20, silentMax: Number.POSITIVE_INFINITY, graceMs: 5_000 };

/**
 * Carries out a plan with bounded concurrency: a step starts once every step it comes after is done, and its outcome
 * durable. What is not done comes up again in the next cycle's diff. A crash between a confirmation and its commit repeats
 * the operation under the same key, and nothing that comes after it has begun. Rejects only when outcomes cannot be
 * committed or the plan is damaged, and then after everything under way has ended.
 */
export const applyPlan = async (plan: Plan, options: ApplyOptions): Promise<ApplyResult> => {
  const { clock = systemClock, silentMax = defaults.silentMax, onProgress } = options;
  const started = clock.now();
  const tally = createTally();
  const stopping = new AbortController();
  const finished = new AbortController();
  const aborting = abortingAfterGrace(options, clock, stopping, finished.signal);
  const concurrency = createConcurrency(options.concurrency);
  const outcomes = createOutcomeBuffer(options.onOutcomes);
  let ended = 0;
  const settled = (index: number, state: StepState): void => {
    tally.settled(operationAt(plan, index), state);
    // What was never tried is no progress.
    if (state === 'skipped' || state === 'not attempted') return;
    ended += 1;
    onProgress?.(ended, tally.bytes);
  };
  const timesFailed = (index: number): number => options.timesFailed?.(plan.steps[index] as Step) ?? 0;
  const schedule = createSchedule(plan.steps, settled, timesFailed);
  const silence = createSilence(plan.steps, schedule, options.silentAt ?? []);
  const order = createSpaceOrder(plan.steps, silence, options.noSpaceMax ?? defaults.noSpaceMax);
  const sending = createSending(clock, options.savePermissions);
  let commitFailed: { readonly error: unknown } | undefined;
  const noteFailure = (error: unknown): boolean => {
    commitFailed ??= { error };
    stopping.abort();
    return false;
  };

  const carryOut = stepRunner(options, {
    clock,
    tally,
    stopping,
    aborting,
    order,
    sending,
    begin: () => concurrency.begin(),
    noteFailure,
  });

  // An operation is repeated for as long as the log does not hold its outcome, and the file manager may have forgotten its
  // key by then. A rename that is done twice takes away what a later step has put at its old path.
  const begin = async (step: Step): Promise<void> => {
    if (step.after.length > 0) await outcomes.flush();
    await options.onBegin?.(sending.of(step));
  };
  let silent = 0;
  const settle = (index: number, state: StepState, isSilent = false): void => {
    if (isSilent) silent += 1;
    const how = state === 'done' ? state : 'other';
    order.ended(index, how);
    silence.ended(index, isSilent ? 'silent' : how);
    schedule.settle(index, state);
  };
  const run = async (index: number): Promise<void> => {
    const step = plan.steps[index] as Step;
    const begun = await begin(step).then(() => true, noteFailure);
    if (!begun) {
      sending.ended(step);
      return settle(index, 'not attempted');
    }
    const isDoubtful = silence.isTrial(index) || (silent > 0 && options.silentMax !== undefined);
    const { state, outcome, isSilent } = await carryOut(step, isDoubtful);
    if (state === 'again') return order.ended(index, state);
    sending.ended(step);
    settle(index, state, isSilent);
    if (outcome === undefined) return;
    await outcomes.add(outcome).catch(noteFailure);
  };

  let running = 0;
  let woken = Promise.withResolvers<void>();
  for (;;) {
    for (let index: number | undefined; running < concurrency.limit; ) {
      index = order.next();
      if (index === undefined) break;
      const hopeless = order.isHopeless(index) ? noSpaceReason : silence.hopeless(index);
      if (!stopping.signal.aborted && hopeless !== undefined) tally.stop(hopeless);
      if (stopping.signal.aborted || hopeless !== undefined || silent >= silentMax) {
        settle(index, 'not attempted');
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
