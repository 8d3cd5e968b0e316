import type { OperationKind } from '../../events/event.ts';
import type { ApplyResult } from '../apply/apply.ts';
import type { Unplaceable } from '../plan/operation.ts';

/**
 * What a cycle did: kept as `report.json` in the cycle's folder and delivered to every configured endpoint.
 * - `idle`: nothing was to be done, nothing was asked of the file manager.
 * - `done`: every operation of the plan was carried out.
 * - `partial`: some were not; the next cycle's diff shows them again. Or something waits for an answer of the file manager.
 * - `held`: the gate holds the plan.
 * - `failed`: the cycle ended with an error, `stopped`. It is kept for the status, and delivered to nobody.
 */
export type Report = {
  readonly format: 1;
  readonly cycle: string;
  readonly status: 'idle' | 'done' | 'partial' | 'held' | 'dry-run' | 'failed';
  readonly started_at: string;
  readonly finished_at: string;
  readonly duration_ms: number;
  /** Offset of the log that both CSVs show. */
  readonly offset: number;
  /** Null without one, and where only what an earlier cycle had left under way was carried out. */
  readonly plan: string | null;
  readonly planned: Partial<Record<OperationKind, number>>;
  readonly operations: Partial<Record<OperationKind, number>>;
  readonly states: Partial<ApplyResult['states']>;
  readonly bytes: number;
  readonly retries: number;
  /** Files whose bytes were checked by their length alone: the bucket states nothing else that would prove them. */
  readonly unverified?: number;
  readonly failures: ApplyResult['failures'];
  readonly unplaceable: readonly Unplaceable[];
  readonly held: readonly string[];
  /** Deletes of files that a person has brought back: a plan of their own, which waits for `apply`. */
  readonly withheld?: { readonly plan: string; readonly files: number } | null;
  readonly stopped: string | null;
  /** Paths that differ, and are in the plan of a later cycle; left out where there are none. */
  readonly later?: number;
  readonly records: { readonly files: number; readonly mirror: number };
};

/** Whether anyone needs to hear of it. */
export const isWorthReporting = ({ status, states }: Report): boolean =>
  status === 'partial'
    ? Object.values(states).some((count) => count > 0)
    : status !== 'idle' && status !== 'dry-run' && status !== 'failed';
