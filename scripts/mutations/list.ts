import { applyMutations } from './apply.ts';
import { cycleMutations } from './cycle.ts';
import { foldMutations } from './fold.ts';
import { formatMutations } from './formats.ts';
import { intakeMutations } from './intake.ts';
import { logMutations } from './log.ts';
import { planMutations } from './plan.ts';
import { sourceMutations } from './sources.ts';
import { viewMutations } from './views.ts';

/**
 * Named breaks of the product, each with the tests that must notice it. `find` is replaced once, where it stands first in
 * the file; keep it short, and unlike anything else there. `match` picks tests by title (AVA's wildcards), so that a
 * mutation costs seconds.
 */
export type Mutation = {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  readonly tests: readonly string[];
  readonly match?: string;
  readonly env?: Readonly<Record<string, string>>;
};

export const mutations: readonly Mutation[] = [
  ...sourceMutations,
  ...logMutations,
  ...viewMutations,
  ...foldMutations,
  ...formatMutations,
  ...intakeMutations,
  ...planMutations,
  ...cycleMutations,
  ...applyMutations,
];
