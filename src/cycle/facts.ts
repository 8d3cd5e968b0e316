import type { Bucket, BucketIdentity } from '../bucket/bucket.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { messageOf } from '../errors.ts';
import type { GateFacts } from '../plan/gate.ts';
import type { Plan } from '../plan/operation.ts';
import type { CycleMemory } from './memory.ts';

export type FactSources = {
  readonly workspace: Workspace;
  readonly bucket: Bucket;
  /** The listing that this very cycle stands on; without it, the last one that is remembered. */
  readonly listing?: GateFacts['listing'] | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** For a person, and to compare: the creation date counts only where both sides tell one. */
export const named = ({ endpoint, name, created }: BucketIdentity, other: BucketIdentity): string =>
  `bucket ${JSON.stringify(name)} at ${endpoint}${created && other.created ? `, made ${created}` : ''}`;

/** What the gate judges a plan by. Asks the bucket, but for nothing when there is nothing to do. */
export const gatherFacts = async (
  plan: Plan,
  memory: CycleMemory,
  { workspace, bucket, listing = memory.listing, signal }: FactSources,
): Promise<{ facts: GateFacts; identity?: BucketIdentity }> => {
  const { files, mirrorFiles } = workspace.projector.meta().stats;
  const known: GateFacts = {
    filesBefore: mirrorFiles,
    ...(listing && { listing }),
    ...(memory.files !== undefined && { projection: { before: memory.files, now: files } }),
  };
  if (plan.steps.length === 0) return { facts: known };
  const asked = Date.now();
  try {
    const { identity, observedAt } = await bucket.identify(signal ? { signal } : {});
    // The server's clock tells whole seconds; its answer was made somewhere between the question and now.
    const clockOffsetMs = Date.parse(observedAt) + 500 - (asked + Date.now()) / 2;
    const before = memory.bucket;
    const both = before && { bucketBefore: named(before, identity), bucketNow: named(identity, before) };
    return { facts: { ...known, clockOffsetMs, ...both }, identity };
  } catch (error) {
    // Once a stop was asked for, nothing is carried out, whatever the facts.
    return { facts: signal?.aborted ? known : { ...known, bucketProblem: messageOf(error) } };
  }
};
