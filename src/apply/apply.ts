import { setTimeout as sleep } from 'node:timers/promises';
import type { OperationKind, OutcomeEvent } from '../../events/event.ts';
import { UnreadableError } from '../bucket/errors.ts';
import { ConfigError, messageOf, RetryableError, SupersededError } from '../errors.ts';
import type { Plan, Step } from '../plan/operation.ts';
import { createBreaker, createConcurrency } from './breaker.ts';
import { type Clock, type RetryLimits, retryLimits, withRetries } from './retry.ts';
import { carryOutStep, outcomeOf, type StepContext } from './step.ts';

export type StepState = 'done' | 'superseded' | 'unreadable' | 'failed' | 'skipped' | 'not attempted';

export type ApplyResult = {
  /** Confirmed operations by kind. */
  readonly done: Partial<Record<OperationKind, number>>;
  readonly states: Record<StepState, number>;
  readonly bytes: number;
  readonly retries: number;
  /** The first failures, with their reasons; `states` counts them all. */
  readonly failures: readonly {
    readonly path: string;
    readonly kind: OperationKind;
    readonly state: StepState;
    readonly reason: string;
  }[];
  /** Why the cycle ended early, if it did. */
  readonly stopped?: string;
};

export type ApplyOptions = Omit<StepContext, 'signal'> & {
  /** Called for each confirmed operation; a batch is durable when it resolves. */
  readonly onOutcomes: (outcomes: readonly OutcomeEvent[]) => Promise<void>;
  readonly concurrency: number;
  readonly retry?: RetryLimits;
  readonly clock?: Clock;
  readonly breakerFailuresMax?: number;
  /** Failures after which a cycle gives up: what is wrong with a hundred files is not about those files. */
  readonly failuresMax?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (finished: number, bytes: number) => void;
};

export const systemClock: Clock = {
  now: Date.now,
  random: Math.random,
  sleep: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}),
};

const failuresKept = 100;
/** Outcomes that may wait for their commit before no further step is started. */
const outcomesBuffered = 256;

/** Errors after which no other operation can succeed either: the file manager refuses us, or is none. */
const endsTheCycle = (error: unknown): boolean =>
  error instanceof ConfigError || (error instanceof Error && 'stop' in error && error.stop === true);

/**
 * Carries out a plan with bounded concurrency. A step starts once every step it depends on is done; what depends on a step
 * that was not done is skipped, and comes up again in the next cycle's diff. A crash between confirmation and commit
 * repeats the operation under the same key, which has no second effect.
 */
export const applyPlan = async (plan: Plan, options: ApplyOptions): Promise<ApplyResult> => {
  const { clock = systemClock, retry = retryLimits, onProgress } = options;
  const breaker = createBreaker(options.breakerFailuresMax ?? 10);
  const concurrency = createConcurrency(options.concurrency);
  const ending = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, ending.signal]) : ending.signal;
  const states: ApplyResult['states'] = {
    done: 0,
    superseded: 0,
    unreadable: 0,
    failed: 0,
    skipped: 0,
    'not attempted': 0,
  };
  const done: Partial<Record<OperationKind, number>> = {};
  const failures: { path: string; kind: OperationKind; state: StepState; reason: string }[] = [];
  const stateOf: (StepState | undefined)[] = new Array(plan.steps.length);
  const waitsFor = plan.steps.map((step) => step.after.length);
  const dependents: number[][] = plan.steps.map(() => []);
  plan.steps.forEach((step, index) => {
    for (const earlier of step.after) dependents[earlier]?.push(index);
  });
  let bytes = 0;
  let retries = 0;
  let finished = 0;
  let stopped: string | undefined;
  const outcomes = createOutcomeBuffer(options.onOutcomes);

  const stop = (reason: string): void => {
    stopped ??= reason;
  };
  const runStep = async (step: Step): Promise<StepState> => {
    try {
      const result = await withRetries(() => carryOutStep(step, { ...options, signal }), clock, retry, {
        signal,
        onRetry: (error) => {
          retries += 1;
          if (error.retryAfterMs !== undefined) concurrency.overloaded();
        },
      });
      breaker.succeeded();
      concurrency.succeeded();
      bytes += result.bytes;
      done[step.operation.kind] = (done[step.operation.kind] ?? 0) + 1;
      outcomes.add(outcomeOf(step, result, new Date(clock.now()).toISOString()));
      return 'done';
    } catch (error) {
      if (signal.aborted && !(error instanceof RetryableError)) return 'not attempted';
      const state =
        error instanceof SupersededError ? 'superseded' : error instanceof UnreadableError ? 'unreadable' : 'failed';
      if (failures.length < failuresKept)
        failures.push({ path: step.operation.path, kind: step.operation.kind, state, reason: messageOf(error) });
      if (error instanceof RetryableError) breaker.failed();
      if (breaker.open) stop(`the file manager or the bucket failed again and again, last: ${messageOf(error)}`);
      if (endsTheCycle(error)) stop(messageOf(error));
      if (states.failed + 1 >= (options.failuresMax ?? 1_000)) stop('too many operations failed');
      return state;
    }
  };

  const ready = waitsFor.flatMap((count, index) => (count === 0 ? [index] : []));
  const running = new Set<Promise<void>>();
  const settle = (index: number, state: StepState): void => {
    stateOf[index] = state;
    states[state] += 1;
    finished += 1;
    onProgress?.(finished, bytes);
    for (const later of dependents[index] ?? []) {
      if (stateOf[later] !== undefined) continue;
      if (state !== 'done') settle(later, state === 'not attempted' ? 'not attempted' : 'skipped');
      else if (--(waitsFor[later] as number) === 0) ready.push(later);
    }
  };
  let next = 0;
  while (next < ready.length || running.size > 0) {
    while (next < ready.length && running.size < concurrency.limit) {
      const index = ready[next++] as number;
      if (stateOf[index] !== undefined) continue;
      if (stopped !== undefined || signal.aborted) {
        settle(index, 'not attempted');
        continue;
      }
      const task = runStep(plan.steps[index] as Step).then((state) => {
        settle(index, state);
        running.delete(task);
      });
      running.add(task);
    }
    if (running.size > 0) await Promise.race(running);
    await outcomes.flush(outcomesBuffered);
  }
  await outcomes.flush(1);
  if (options.signal?.aborted) stopped ??= 'stopped by a signal';
  return { done, states, bytes, retries, failures, ...(stopped !== undefined && { stopped }) };
};

/** Outcomes on their way into the log: one commit at a time, each with all that has come meanwhile. */
const createOutcomeBuffer = (commit: ApplyOptions['onOutcomes']) => {
  let waiting: OutcomeEvent[] = [];
  let committing: Promise<void> | undefined;
  let failure: unknown;
  const start = (): void => {
    if (committing || waiting.length === 0) return;
    const batch = waiting;
    waiting = [];
    committing = commit(batch).then(
      () => {
        committing = undefined;
        start();
      },
      (error: unknown) => {
        failure = error;
        committing = undefined;
      },
    );
  };
  return {
    add: (outcome: OutcomeEvent): void => {
      waiting.push(outcome);
      start();
    },
    /** Waits while `atLeast` or more outcomes are not durable. Throws what a commit threw. */
    flush: async (atLeast: number): Promise<void> => {
      while (failure === undefined && (waiting.length >= atLeast || (atLeast === 1 && committing))) {
        start();
        await committing;
      }
      if (failure !== undefined) throw failure;
    },
  };
};
