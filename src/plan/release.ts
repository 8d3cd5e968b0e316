import { losesFiles, type Verdict } from './gate.ts';
import type { Change, Plan } from './operation.ts';
import type { StoredPlan } from './store.ts';

/**
 * Whether a person has already agreed to what holds this plan: each operation that takes files away stands in a released
 * plan, and what else speaks against it was told of one. What came since, and takes nothing away, goes along: a bucket that
 * is busy would otherwise have another plan each time that one is named.
 */
export const isCovered = (
  plan: Plan,
  changes: readonly Change[],
  { circumstances }: Verdict,
  released: readonly StoredPlan[],
): boolean => {
  if (released.length === 0) return false;
  const named = operationsOf(released);
  const told = new Set(released.flatMap((stored) => stored.circumstances ?? []));
  return (
    losesFiles(plan, changes).every(({ op_id }) => named.has(op_id)) && circumstances.every((each) => told.has(each))
  );
};

/** Whether all that a plan does stands in released ones. */
export const isNamed = (plan: Plan, released: readonly StoredPlan[]): boolean => {
  const named = operationsOf(released);
  return plan.steps.every(({ operation }) => named.has(operation.op_id));
};

/** Whether a release still has to do with this plan. One that has not is over: what it named may never be meant again. */
export const isStillMeant = (stored: StoredPlan, plan: Plan, { circumstances }: Verdict): boolean => {
  const named = operationsOf([stored]);
  return (
    plan.steps.some(({ operation }) => named.has(operation.op_id)) ||
    circumstances.some((each) => stored.circumstances?.includes(each))
  );
};

const operationsOf = (released: readonly StoredPlan[]): ReadonlySet<string> =>
  new Set(released.flatMap(({ plan }) => plan.steps.map(({ operation }) => operation.op_id)));
