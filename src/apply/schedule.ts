import type { Step } from '../plan/operation.ts';

/** How a step ended; see ApplyResult. */
export type StepState = 'done' | 'superseded' | 'unreadable' | 'failed' | 'skipped' | 'not attempted';

/**
 * Which step may start. A step is ready once every step it comes after is done; what comes after one that was not done is
 * settled with it, as `skipped` or, where the cycle ended, as `not attempted`.
 */
export type Schedule = {
  /**
   * The next step that is ready, each once, in the order of the plan as far as dependencies allow. Those that failed before
   * come after all others that are ready, the ones that failed least first.
   */
  next(): number | undefined;
  settle(index: number, state: StepState): void;
  /** Steps that have no state yet. */
  readonly unsettled: number;
};

export const createSchedule = (
  steps: readonly Pick<Step, 'after'>[],
  onSettled: (index: number, state: StepState) => void,
  timesFailed: (index: number) => number,
): Schedule => {
  const waitsFor = steps.map(({ after }) => after.length);
  const dependents: number[][] = steps.map(() => []);
  steps.forEach(({ after }, index) => {
    for (const earlier of after) dependents[earlier]?.push(index);
  });
  const settled = new Set<number>();
  const fresh = queueOf();
  const failedBefore = queueOf();
  const add = (index: number): void => (timesFailed(index) === 0 ? fresh : failedBefore).add(index);
  const free = waitsFor.flatMap((count, index) => (count === 0 ? [index] : []));
  for (const index of free.sort((a, b) => timesFailed(a) - timesFailed(b))) add(index);
  const next = (): number | undefined => fresh.take() ?? failedBefore.take();
  return {
    next: () => {
      let index = next();
      while (index !== undefined && settled.has(index)) index = next();
      return index;
    },
    settle: (index, state) => {
      // A stack and no recursion: a chain may be as long as the plan.
      const pending: [number, StepState][] = [[index, state]];
      for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
        const [at, its] = entry;
        if (settled.has(at)) continue;
        settled.add(at);
        onSettled(at, its);
        for (const later of dependents[at] ?? []) {
          if (its !== 'done') pending.push([later, its === 'not attempted' ? its : 'skipped']);
          else if (--(waitsFor[later] as number) === 0) add(later);
        }
      }
    },
    get unsettled() {
      return steps.length - settled.size;
    },
  };
};

/** First in, first out. `rest` takes all that is left. */
export type Queue = { add(index: number): void; take(): number | undefined; rest(): number[] };

export const queueOf = (): Queue => {
  let waiting: number[] = [];
  let taken = 0;
  return {
    add: (index) => void waiting.push(index),
    take: () => (waiting[taken] === undefined ? undefined : waiting[taken++]),
    rest: () => {
      const left = waiting.slice(taken);
      waiting = [];
      taken = 0;
      return left;
    },
  };
};
