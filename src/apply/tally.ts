import type { OperationKind } from '../../events/event.ts';
import type { Operation } from '../plan/operation.ts';
import type { ApplyResult } from './apply.ts';
import type { StepState } from './schedule.ts';
import type { StepResult } from './step.ts';

const failuresKept = 100;

/** Counts while a plan is carried out. */
export type Tally = {
  settled(operation: Operation, state: StepState): void;
  confirmed(operation: Operation, result: StepResult): void;
  retried(): void;
  problem(operation: Operation, state: StepState, reason: string): void;
  /** The first reason stays. */
  stop(reason: string, ofSettings?: boolean): void;
  readonly stopped: string | undefined;
  readonly states: Readonly<Record<StepState, number>>;
  readonly bytes: number;
  result(durationMs: number): ApplyResult;
};

export const createTally = (): Tally => {
  const states: Record<StepState, number> = {
    done: 0,
    superseded: 0,
    unreadable: 0,
    failed: 0,
    skipped: 0,
    'not attempted': 0,
  };
  const done: Partial<Record<OperationKind, number>> = {};
  const failures: ApplyResult['failures'][number][] = [];
  let bytes = 0;
  let retries = 0;
  let unverified = 0;
  let stopped: string | undefined;
  let stoppedBySettings = false;
  return {
    settled: (_, state) => {
      states[state] += 1;
    },
    confirmed: ({ kind }, result) => {
      done[kind] = (done[kind] ?? 0) + 1;
      bytes += result.bytes;
      if (result.verification === 'unverified') unverified += 1;
    },
    retried: () => {
      retries += 1;
    },
    problem: ({ path, kind }, state, reason) => {
      if (failures.length < failuresKept) failures.push({ path, kind, state, reason });
    },
    stop: (reason, ofSettings = false) => {
      if (stopped === undefined) stoppedBySettings = ofSettings;
      stopped ??= reason;
    },
    get stopped() {
      return stopped;
    },
    states,
    get bytes() {
      return bytes;
    },
    result: (durationMs) => ({
      done,
      states,
      bytes,
      retries,
      failures,
      unverified,
      durationMs,
      ...(stopped !== undefined && { stopped }),
      ...(stoppedBySettings && { stoppedBySettings }),
    }),
  };
};
