import type { Step } from '../plan/operation.ts';
import type { Schedule } from './schedule.ts';

/**
 * The order of steps where the file manager has no space left (507). Once one was refused for that, all that is no save
 * goes first, since deletes give space; then the other saves, the smallest first; what was refused comes once more after
 * that; and after `refusalsMax` in a row the saves that have not begun wait for the next cycle: each would be read from the
 * bucket for nothing.
 */
export type SpaceOrder = {
  /** The next step to start; undefined while none may. */
  next(): number | undefined;
  /** Whether this one is not to be started in this cycle. */
  isHopeless(index: number): boolean;
  /** `again`: it was refused, and is to come once more. */
  ended(index: number, how: 'done' | 'again' | 'other'): void;
  /** Counts a refusal. Whether it was the step's first. */
  refuse(step: Step): boolean;
  wasRefused(step: Step): boolean;
};

export const createSpaceOrder = (
  steps: readonly Step[],
  schedule: Pick<Schedule, 'next'>,
  refusalsMax: number,
): SpaceOrder => {
  const refused = new Set<Step>();
  /** Saves that wait: those that have arrived, the ones in order of which so many are taken, and the refused ones. */
  let arrived: number[] = [];
  let ordered: number[] = [];
  let taken = 0;
  const again: number[] = [];
  let inARow = 0;
  let othersUnderWay = 0;
  const stepAt = (index: number): Step => steps[index] as Step;
  const isSave = (index: number): boolean => stepAt(index).operation.kind === 'save';
  const sizeOf = (index: number): number => stepAt(index).result?.size ?? 0;
  const nextSave = (): number | undefined => {
    if (arrived.length > 0) {
      ordered = [...ordered.slice(taken), ...arrived].sort((a, b) => sizeOf(a) - sizeOf(b));
      taken = 0;
      arrived = [];
    }
    return ordered[taken++] ?? again.shift();
  };
  const started = (index: number): number => {
    if (!isSave(index)) othersUnderWay += 1;
    return index;
  };
  return {
    next: () => {
      for (let index = schedule.next(); index !== undefined; index = schedule.next()) {
        if (refused.size === 0 || !isSave(index)) return started(index);
        arrived.push(index);
      }
      return othersUnderWay > 0 ? undefined : nextSave();
    },
    isHopeless: (index) => inARow >= refusalsMax && isSave(index) && !refused.has(stepAt(index)),
    ended: (index, how) => {
      if (!isSave(index)) othersUnderWay -= 1;
      if (how === 'done') inARow = 0;
      if (how === 'again') again.push(index);
    },
    refuse: (step) => {
      inARow += 1;
      const isFirst = !refused.has(step);
      refused.add(step);
      return isFirst;
    },
    wasRefused: (step) => refused.has(step),
  };
};
