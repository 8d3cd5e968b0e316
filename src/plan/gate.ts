import type { FileRow } from '../../projections/rows.ts';
import { counted } from '../text.ts';
import type { Change, Plan } from './operation.ts';

/** What the gate looks at beside the plan. Facts are gathered by the caller; judging them is pure. */
export type GateFacts = {
  /** Files that go because another one takes their place by a rename; see replacedBy. */
  readonly replaced?: number;
  /** Files that the file manager holds before the plan. */
  readonly filesBefore: number;
  /** Set when the plan stands on a fresh listing of the bucket; `error` is why it broke off, where it did. */
  readonly listing?: { readonly objects: number; readonly complete: boolean; readonly error?: string };
  /** Why the bucket could not be asked whether it is still the one, where it could not. */
  readonly bucketProblem?: string;
  /** Bucket that the file manager was filled from so far, and the one configured now. */
  readonly bucketBefore?: string;
  readonly bucketNow?: string;
  /** Rows of the file table at the end of the last cycle, and now. */
  readonly projection?: { readonly before: number; readonly now: number };
  /** Difference between the bucket server's clock and this machine's, in milliseconds. */
  readonly clockOffsetMs?: number;
};

export type GateLimits = {
  /** Most files that one cycle may delete. */
  readonly deleteMax: number;
  /** Largest share of the files that one cycle may delete. */
  readonly deleteShareMax: number;
  /** Up to this many the shares are not looked at: small buckets change by large shares. */
  readonly deleteFloor: number;
  /** Largest share of its rows that the file table may lose between two cycles. */
  readonly shrinkShareMax?: number;
  readonly clockOffsetMsMax: number;
};

export const gateLimits: Required<GateLimits> = {
  deleteMax: 1_000,
  deleteShareMax: 0.25,
  deleteFloor: 10,
  shrinkShareMax: 0.5,
  clockOffsetMsMax: 15 * 60_000,
};

export type Verdict = {
  readonly held: boolean;
  readonly reasons: readonly string[];
  /** What speaks against any plan now, whatever it deletes; the same text for as long as it is the same matter. */
  readonly circumstances: readonly string[];
};

/** One rule: why a plan with this many deletes is held, or nothing. */
type Rule = (deletes: number, facts: GateFacts, limits: Required<GateLimits>) => string | undefined;

const percent = (share: number): string => `${(share * 100).toFixed(1).replace(/\.0$/, '')} %`;

const among = ({ replaced = 0 }: GateFacts): string =>
  replaced > 0 ? ` (${replaced} of them by a rename onto their place)` : '';

const tooMany: Rule = (deletes, facts, { deleteMax }) =>
  deletes > deleteMax
    ? `it would delete ${counted(deletes, 'file')}${among(facts)}, more than ${deleteMax} (GATE_DELETE_MAX)`
    : undefined;

const tooLargeAShare: Rule = (deletes, facts, { deleteFloor, deleteShareMax }) => {
  // More deletes than files is a share too: of a mirror that is not what the plan was made from.
  const { filesBefore } = facts;
  const share = deletes / Math.max(1, filesBefore);
  return deletes > deleteFloor && share > deleteShareMax
    ? `it would delete ${deletes} of ${counted(filesBefore, 'file')}${among(facts)}, ${percent(share)}: more than ${percent(deleteShareMax)} (GATE_DELETE_SHARE_MAX)`
    : undefined;
};

const brokenListing: Rule = (deletes, { listing }) =>
  deletes > 0 && listing && !listing.complete
    ? `the listing of the bucket broke off after ${counted(listing.objects, 'object')}${listing.error === undefined ? '' : ` (${listing.error})`}, and it would delete ${counted(deletes, 'file')}: 's3-sync reconcile' lists it again`
    : undefined;

const emptyListing: Rule = (deletes, { listing }) =>
  deletes > 0 && listing?.complete === true && listing.objects === 0
    ? `the bucket lists no objects at all, and it would delete ${counted(deletes, 'file')}`
    : undefined;

const otherBucket: Rule = (_, { bucketBefore, bucketNow }) =>
  bucketBefore !== undefined && bucketNow !== undefined && bucketBefore !== bucketNow
    ? `the file manager was filled from ${bucketBefore}, and ${bucketNow} is configured now`
    : undefined;

const silentBucket: Rule = (deletes, { bucketProblem }) =>
  deletes > 0 && bucketProblem !== undefined
    ? `the bucket cannot be asked (${bucketProblem}), and it would delete ${counted(deletes, 'file')}`
    : undefined;

const shrunk: Rule = (_, { projection }, { deleteFloor, shrinkShareMax }) => {
  const lost = projection ? projection.before - projection.now : 0;
  const share = projection && projection.before > 0 ? lost / projection.before : 0;
  return projection && lost > deleteFloor && share > shrinkShareMax
    ? `the file table has shrunk from ${projection.before} to ${projection.now} rows since the last cycle, by ${percent(share)}: more than ${percent(shrinkShareMax)}`
    : undefined;
};

const clockFarOff: Rule = (_, { clockOffsetMs = 0 }, { clockOffsetMsMax }) =>
  Math.abs(clockOffsetMs) > clockOffsetMsMax
    ? `this machine's clock is ${Math.round(Math.abs(clockOffsetMs) / 1_000)} s ${clockOffsetMs > 0 ? 'behind' : 'ahead of'} the bucket's, more than ${Math.round(clockOffsetMsMax / 1_000)} s`
    : undefined;

const aboutDeletes: readonly Rule[] = [tooMany, tooLargeAShare, brokenListing, emptyListing, silentBucket];

/** Each with what it is about. Of two buckets, which ones they are; numbers change from cycle to cycle. */
const aboutAnything: readonly { readonly rule: Rule; readonly matter: (reason: string) => string }[] = [
  { rule: otherBucket, matter: (reason) => reason },
  { rule: shrunk, matter: () => 'the file table has shrunk' },
  { rule: clockFarOff, matter: () => 'a clock is far off' },
];

/** Files that the plan deletes. It is made after rename pairing, so a rename is no delete; a folder counts with what is in it. */
export const deletesOf = (plan: Plan): number =>
  plan.steps.reduce((sum, { operation, files = 1 }) => sum + (operation.kind === 'delete' ? files : 0), 0);

/** Files that go without a delete: another one is renamed onto their place, and they go nowhere themselves. */
export const replacedRows = (plan: Plan, changes: readonly Change[]): readonly FileRow[] => {
  const moves = plan.steps.map(({ operation }) => operation).filter(({ to }) => to !== undefined);
  const leaving = new Set(moves.map(({ path }) => path));
  const arriving = new Set(moves.map(({ to }) => to));
  return changes.flatMap(({ path, have }) => (have && arriving.has(path) && !leaving.has(path) ? [have] : []));
};

/** How many files the plan loses without a delete. */
export const replacedBy = (plan: Plan, changes: readonly Change[]): number => replacedRows(plan, changes).length;

/** Judges a plan. Every reason to hold is named, with its numbers; a plan that does nothing is never held. */
export const judge = (plan: Plan, facts: GateFacts, limits: Partial<GateLimits> = {}): Verdict => {
  const deletes = deletesOf(plan) + (facts.replaced ?? 0);
  const ask = (rule: Rule): string[] => {
    const reason = rule(deletes, facts, { ...gateLimits, ...limits });
    return reason === undefined ? [] : [reason];
  };
  const general = aboutAnything.flatMap(({ rule, matter }) =>
    ask(rule).map((reason) => ({ reason, matter: matter(reason) })),
  );
  const reasons = [...aboutDeletes.flatMap(ask), ...general.map(({ reason }) => reason)];
  return {
    held: reasons.length > 0 && plan.steps.length > 0,
    reasons,
    circumstances: general.map(({ matter }) => matter),
  };
};
