import type { Plan } from './operation.ts';

/** What the gate looks at beside the plan. Facts are gathered by the caller; judging them is pure. */
export type GateFacts = {
  /** Files that the file manager holds before the plan. */
  readonly filesBefore: number;
  /** Files beneath a folder that the plan deletes as a whole. */
  readonly filesUnder?: (folder: string) => number;
  /** Set when the plan stands on a fresh listing of the bucket. */
  readonly listing?: { readonly objects: number; readonly complete: boolean };
  /** Bucket that the file manager was filled from so far, and the one configured now. */
  readonly bucketBefore?: string;
  readonly bucketNow?: string;
  /** Difference between the bucket server's clock and this machine's, in milliseconds. */
  readonly clockOffsetMs?: number;
};

export type GateLimits = {
  /** Most files that one cycle may delete. */
  readonly deleteMax: number;
  /** Largest share of the files that one cycle may delete. */
  readonly deleteShareMax: number;
  /** Up to this many deletes the share is not looked at: small buckets change by large shares. */
  readonly deleteFloor: number;
  readonly clockOffsetMsMax: number;
};

export const gateLimits: GateLimits = {
  deleteMax: 1_000,
  deleteShareMax: 0.25,
  deleteFloor: 10,
  clockOffsetMsMax: 15 * 60_000,
};

export type Verdict = { readonly held: boolean; readonly reasons: readonly string[] };

/** Judges a plan, after rename pairing: a rename is no delete. Every reason to hold is named, with its numbers. */
export const judge = (plan: Plan, facts: GateFacts, limits: GateLimits = gateLimits): Verdict => {
  const deletes = plan.steps
    .filter(({ operation }) => operation.kind === 'delete')
    .reduce(
      (sum, { operation }) =>
        sum + (operation.path.endsWith('/') ? Math.max(1, facts.filesUnder?.(operation.path) ?? 1) : 1),
      0,
    );
  const share = facts.filesBefore === 0 ? 0 : deletes / facts.filesBefore;
  const reasons: string[] = [];
  const percent = (value: number): string => `${(value * 100).toFixed(1).replace(/\.0$/, '')} %`;
  if (deletes > limits.deleteMax) {
    reasons.push(`it would delete ${deletes} files, more than ${limits.deleteMax} (GATE_DELETE_MAX)`);
  }
  if (deletes > limits.deleteFloor && share > limits.deleteShareMax) {
    reasons.push(
      `it would delete ${deletes} of ${facts.filesBefore} files, ${percent(share)}: more than ${percent(limits.deleteShareMax)} (GATE_DELETE_SHARE_MAX)`,
    );
  }
  if (deletes > 0 && facts.listing && !facts.listing.complete)
    reasons.push('the listing of the bucket broke off, and it would delete files');
  if (deletes > 0 && facts.listing?.objects === 0)
    reasons.push('the bucket lists no objects at all, and it would delete files');
  if (facts.bucketBefore !== undefined && facts.bucketNow !== undefined && facts.bucketBefore !== facts.bucketNow) {
    reasons.push(`the file manager was filled from ${facts.bucketBefore}, and ${facts.bucketNow} is configured now`);
  }
  if (facts.clockOffsetMs !== undefined && Math.abs(facts.clockOffsetMs) > limits.clockOffsetMsMax) {
    reasons.push(
      `this machine's clock is ${Math.round(Math.abs(facts.clockOffsetMs) / 1000)} s away from the bucket's`,
    );
  }
  return { held: reasons.length > 0 && plan.steps.length > 0, reasons };
};
