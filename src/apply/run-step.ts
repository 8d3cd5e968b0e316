import type { OutcomeEvent } from '../../events/event.ts';
import { UnreadableError, UnservedError } from '../bucket/errors.ts';
import { isOfSettings, messageOf, RetryableError, SupersededError } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import {
  FailedAnswerError,
  KeyUsedError,
  LieError,
  NoSpaceError,
  RefusedError,
} from '../file-manager/client-errors.ts';
import type { CallOptions } from '../file-manager/file-manager.ts';
import type { Step } from '../plan/operation.ts';
import type { ApplyOptions } from './apply.ts';
import { breakerLimits, createBreaker } from './breaker.ts';
import type { Clock } from './clock.ts';
import type { Attempt } from './concurrency.ts';
import { paced } from './pace.ts';
import { doubtfulLimits, NotAttempted, retryLimits, withRetries } from './retry.ts';
import type { StepState } from './schedule.ts';
import type { Sending } from './sending.ts';
import type { Serving } from './serving.ts';
import type { SpaceOrder } from './space.ts';
import { carryOutStep, outcomeOf, type StepResult } from './step.ts';
import type { Tally } from './tally.ts';

const defaults = { failuresMax: 1_000, bytesPerSecondMin: 65_536 };
/** Bodies up to this size leave an answer's latency telling about the file manager. */
const latencyBytesMax = 65_536;

export type Running = {
  readonly clock: Clock;
  readonly tally: Tally;
  readonly stopping: AbortController;
  readonly aborting: AbortSignal;
  readonly order: SpaceOrder;
  readonly sending: Sending;
  readonly begin: () => Attempt;
  /** Ends everything, since a commit has failed. */
  readonly noteFailure: (error: unknown) => void;
};

/** What a step came to; `again`: it was refused for want of space, and comes once more after others. */
type Ended = {
  readonly state: StepState | 'again';
  readonly outcome?: OutcomeEvent;
  /** It failed, and the last attempt got no answer. */
  readonly isSilent?: boolean;
};

/** Carries a step through its attempts to its state; a doubtful one is not waited for again and again. Never rejects. */
export const stepRunner = (options: ApplyOptions, running: Running) => {
  const { clock, tally, stopping, aborting, order, sending, begin } = running;
  const limits = { ...retryLimits, ...options.retry };
  const breaker = createBreaker({ ...breakerLimits, ...options.breaker }, clock);
  const fileManager = paced(options.fileManager, options.pace ?? {}, clock);
  const failuresMax = options.failuresMax ?? defaults.failuresMax;
  const speedMin = Math.min(
    options.bytesPerSecondMin ?? defaults.bytesPerSecondMin,
    (options.pace?.bytesPerSecond ?? Number.POSITIVE_INFINITY) / options.concurrency,
  );
  const stop = (reason: string, ofSettings = false): void => {
    tally.stop(reason, ofSettings);
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
    (state === 'unreadable' ? options.onUnreadable : options.onFailed)?.(step, messageOf(error));
    if (breaker.gaveUp) stop(`the file manager or the bucket failed again and again, last: ${messageOf(error)}`);
    if (isOfSettings(error)) stop(messageOf(error), true);
    if (state === 'failed') failed += 1;
    if (failed >= failuresMax && failed > tally.states.done)
      stop(`${failed} operations failed, more than succeeded, last: ${messageOf(error)}`);
    return state;
  };
  /** Notes durably that the step goes on under a key of its own; see sending.ts. */
  const renew = async (step: Step): Promise<void> => {
    tally.retried();
    await options.onRenewed?.(sending.renew(step)).catch((error: unknown) => {
      running.noteFailure(error);
      throw new NotAttempted('its key could not be noted');
    });
  };
  return async (step: Step, isDoubtful: boolean): Promise<Ended> => {
    const size = step.result?.size ?? 0;
    let uncertain = order.wasRefused(step);
    let unanswered = unansweredBefore.has(step);
    let isRepeat = uncertain || step.begunAt !== undefined;
    const carried = step.operation.kind === 'save' ? size : 0;
    try {
      const onPartial = (): void => {
        uncertain = true;
      };
      const serving: Serving = { isAwaited: false };
      const attempts = (onRemembered?: CallOptions['onRemembered']): Promise<StepResult> =>
        withRetries(
          (signal) =>
            carryOutStep(sending.of(step), {
              ...options,
              fileManager,
              signal,
              serving,
              onPartial,
              onMissing: () => options.onMissing?.(step),
              onRemembered,
            }),
          {
            clock,
            limits: isDoubtful ? { ...limits, ...doubtfulLimits } : limits,
            breaker,
            allowanceMs: (size / speedMin) * 1_000,
            lateError: (text) =>
              serving.isAwaited ? new UnservedError(`the bucket was waited for: ${text}`) : new RetryableError(text),
            stopping: stopping.signal,
            aborting,
            onRetry: (error) => {
              if (!hadNoEffect(error)) uncertain = true;
              isRepeat = true;
              if (!isOver(error)) unanswered = true;
              tally.retried();
            },
            onAttempt: () => watchAttempt(begin(), carried, clock),
          },
        );
      const check = options.onRenewed && sending.check(step, () => isRepeat);
      const result = await attempts(check).catch(async (error: unknown) => {
        if (!check || !(error instanceof KeyUsedError)) throw error;
        uncertain = true;
        await renew(step);
        return attempts();
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
      // What was begun in an earlier cycle stays so, if it is not even asked about now.
      if (error instanceof NotAttempted && step.begunAt !== undefined) return { state: judge(error, step) };
      if (!uncertain && hadNoEffect(error)) options.onEnded?.(step);
      else if (!unanswered && isOver(error)) options.onUncertain?.(step);
      const state = judge(error, step);
      const isSilent = state === 'failed' && !isOver(error);
      if (isSilent) options.onSilent?.(step, messageOf(error));
      return { state, isSilent };
    }
  };
};

/** Whether the request that an attempt ended with has left everything as it was: none was sent whole, or it was refused. */
const hadNoEffect = (error: unknown): boolean =>
  error instanceof SupersededError ||
  error instanceof UnreadableError ||
  error instanceof UnservedError ||
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
