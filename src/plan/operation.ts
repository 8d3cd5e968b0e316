import type { OperationKind } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';

/**
 * One step that brings the file manager closer to the bucket. Property names are those of `operations.jsonl` and of
 * `s3-sync diff`: a contract.
 */
export type Operation = {
  /** Derived from what changes from and to, so the same transition always has the same id: the `Idempotency-Key`. */
  readonly op_id: string;
  readonly kind: OperationKind;
  readonly path: string;
  readonly to?: string;
  readonly size?: number;
  readonly etag?: string;
  readonly permissions?: string;
  readonly file_id: number;
  /**
   * Of a folder. True: a delete that takes all beneath along; without it only the folder's own marker goes. False:
   * permissions of the folder alone; without it they are set for all beneath.
   */
  readonly recursive?: boolean;
  /** Offset of the mirror row this starts from; 0 when the file manager had nothing. */
  readonly from_offset: number;
  /** Offset of the file row this leads to; 0 when the bucket has nothing. */
  readonly to_offset: number;
};

/** One path whose two sides differ. `have` is the mirror's row (old.csv), `want` the file's (new.csv). */
export type Change =
  | { readonly path: string; readonly have: FileRow; readonly want: null }
  | { readonly path: string; readonly have: null; readonly want: FileRow }
  | { readonly path: string; readonly have: FileRow; readonly want: FileRow };

/** A planned operation: what to do, after what, why, and from which row (the bucket key and etag for a `save`). */
export type Step = {
  readonly operation: Operation;
  /** Indexes into the plan's steps that must have succeeded first. */
  readonly after: readonly number[];
  /** One sentence for a person: why this operation is there. */
  readonly why: string;
  /** The row that the mirror holds once the step is done; null after a delete. */
  readonly result: FileRow | null;
  /** How many rows of the mirror a whole folder's operation takes along; absent for a single file. */
  readonly files?: number;
  /** Of a step that was begun: when, in milliseconds by this machine's clock, and its key where that is not `op_id`. */
  readonly begunAt?: number;
  readonly key?: string;
  /** Its save takes permissions along, in one request: a repeat under the same key is to be the same request. */
  readonly withPermissions?: boolean;
};

/** A path that cannot be carried over, with the reason (a file `a` beside `a/b`, …). Visible, never retried endlessly. */
export type Unplaceable = { readonly path: string; readonly reason: string };

export type Plan = {
  /** Hash of the operations: a plan made from another state has another id. */
  readonly id: string;
  readonly steps: readonly Step[];
  readonly unplaceable: readonly Unplaceable[];
};
