import type { Step } from '../plan/operation.ts';

/** How a step ended; see ApplyResult. */
export type StepState = 'done' | 'superseded' | 'unreadable' | 'failed' | 'skipped' | 'not attempted';

/**
 * Which step may start. A step is ready once every step it comes after is done; what comes after one that was not done is
 * settled with it, as `skipped` or, where the cycle ended, as `not attempted`.
 */
export type Schedule = {
  /** The next step that is ready, each once, in the order of the plan as far as dependencies allow. */
  next(): number | undefined;
  settle(index: number, state: StepState): void;
  /** Steps that have no state yet. */
  readonly unsettled: number;
};

export const createSchedule = (
  steps: readonly Pick<Step, 'after'>[],
  onSettled: (index: number, state: StepState) => void,
): Schedule => {
  const waitsFor = steps.map(({ after }) => after.length);
  const dependents: number[][] = steps.map(() => []);
  steps.forEach(({ after }, index) => {
    for (const earlier of after) dependents[earlier]?.push(index);
  });
  const settled = new Set<number>();
  const ready = waitsFor.flatMap((count, index) => (count === 0 ? [index] : []));
  let taken = 0;
  return {
    next: () => {
      while (taken < ready.length) {
        const index = ready[taken++] as number;
        if (!settled.has(index)) return index;
      }
      return undefined;
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
          else if (--(waitsFor[later] as number) === 0) ready.push(later);
        }
      }
    },
    get unsettled() {
      return steps.length - settled.size;
    },
  };
};
