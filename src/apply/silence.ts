import { foldersAround, pathsOf } from '../../events/event.ts';
import type { Step } from '../plan/operation.ts';
import { queueOf, type Schedule } from './schedule.ts';

/** So many operations without an answer, one after the other, are enough to know that more would get none. */
export const silentMax = 3;

/**
 * The order of steps where the file manager says nothing about what lies in some folder, as where the disk beneath it hangs.
 * A folder in which `silentMax` operations got no answer, and none was carried out since, is doubted: what else is due there
 * waits until all others have ended. Then it is tried one by one, where least is doubted first. The first that is carried out
 * lets its folders go on as ever; after `silentMax` in vain the rest waits for the next cycle.
 */
export type Silence = Pick<Schedule, 'next'> & {
  /** Whether it is begun to see whether an answer comes. */
  isTrial(index: number): boolean;
  /** Why it is not to be begun in this cycle. */
  hopeless(index: number): string | undefined;
  ended(index: number, how: 'done' | 'silent' | 'other'): void;
};

/** `silentAt`: the paths of operations that have got no answer before. */
export const createSilence = (
  steps: readonly Step[],
  schedule: Pick<Schedule, 'next'>,
  silentAt: readonly string[],
): Silence => {
  /** By folder: how many got no answer there since one was carried out. */
  const silent = new Map<string, number>();
  /** By folder: what is counted of those around it that are doubted. */
  let doubts = new Map<string, number>();
  const free = queueOf();
  const held = queueOf();
  let isSorted = true;
  let underWay = 0;
  let trial: number | undefined;
  let inVain = 0;
  const placesAt = (index: number): string[] => pathsOf((steps[index] as Step).operation);
  const foldersAt = (index: number): string[] => [...new Set(placesAt(index).flatMap(foldersAround))];
  const note = (folder: string): void => void silent.set(folder, (silent.get(folder) ?? 0) + 1);
  for (const path of silentAt) foldersAround(path).forEach(note);
  const countIn = (folder: string): number => silent.get(folder) ?? 0;
  const isDoubted = (folder: string): boolean => countIn(folder) >= silentMax;
  const doubtAt = (path: string): number => {
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    const known = doubts.get(folder);
    if (known !== undefined) return known;
    const doubt = foldersAround(folder)
      .filter(isDoubted)
      .reduce((sum, around) => sum + countIn(around), 0);
    doubts.set(folder, doubt);
    return doubt;
  };
  const doubtOf = (index: number): number =>
    silent.size === 0 ? 0 : placesAt(index).reduce((sum, path) => sum + doubtAt(path), 0);
  const isOver = (): boolean => inVain >= silentMax;
  const release = (): void => {
    for (const index of held.rest()) free.add(index);
  };
  const started = (index: number): number => {
    underWay += 1;
    return index;
  };
  return {
    next: () => {
      for (let index = free.take() ?? schedule.next(); index !== undefined; index = free.take() ?? schedule.next()) {
        if (isOver() || doubtOf(index) === 0) return started(index);
        held.add(index);
        isSorted = false;
      }
      if (underWay > 0) return undefined;
      if (!isSorted) for (const index of held.rest().sort((a, b) => doubtOf(a) - doubtOf(b))) held.add(index);
      isSorted = true;
      trial = held.take();
      return trial === undefined ? undefined : started(trial);
    },
    isTrial: (index) => index === trial,
    hopeless: (index) => {
      if (!isOver() || doubtOf(index) === 0) return undefined;
      const folder = foldersAt(index).findLast(isDoubted);
      return `the file manager says nothing about paths in ${folder}: what else is due there waits for the next cycle`;
    },
    ended: (index, how) => {
      underWay -= 1;
      const isTrial = index === trial;
      if (isTrial) trial = undefined;
      if (how === 'other' || (how === 'done' && silent.size === 0)) return;
      const folders = foldersAt(index);
      if (how === 'done' && !folders.some((folder) => silent.has(folder))) return;
      for (const folder of folders) how === 'done' ? silent.delete(folder) : note(folder);
      doubts = new Map();
      isSorted = false;
      if (how === 'silent' && isTrial) inVain += 1;
      if (how === 'done' || isOver()) release();
    },
  };
};
