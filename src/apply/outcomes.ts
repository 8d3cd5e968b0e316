import type { OutcomeEvent } from '../../events/event.ts';

/**
 * Outcomes on their way into the log: one commit at a time, each with all that has come meanwhile, in the order in which
 * they were confirmed. So what the log holds after a crash is always a beginning of what happened.
 */
export type OutcomeBuffer = {
  /** Resolves when few enough are waiting, not when this one is durable. Rejects with what a commit threw. */
  add(outcome: OutcomeEvent): Promise<void>;
  /** Resolves when all that were added before are durable. Rejects with what a commit threw. */
  flush(): Promise<void>;
};

/** Outcomes that may wait for their commit before no further step is finished. */
const waitingMax = 256;

export const createOutcomeBuffer = (commit: (batch: readonly OutcomeEvent[]) => Promise<void>): OutcomeBuffer => {
  let waiting: OutcomeEvent[] = [];
  let added = 0;
  let durable = 0;
  let committing: Promise<void> | undefined;
  let failed: { readonly error: unknown } | undefined;

  const run = async (): Promise<void> => {
    const batch = waiting;
    waiting = [];
    await commit(batch);
    durable += batch.length;
  };
  const start = (): void => {
    committing ??= run()
      .catch((error: unknown) => {
        failed = { error };
      })
      .finally(() => {
        committing = undefined;
        if (waiting.length > 0 && !failed) start();
      });
  };
  const check = (): void => {
    if (failed) throw failed.error;
  };
  return {
    add: async (outcome) => {
      check();
      waiting.push(outcome);
      added += 1;
      start();
      while (waiting.length >= waitingMax && committing) await committing;
      check();
    },
    flush: async () => {
      const all = added;
      while (durable < all && committing) await committing;
      check();
    },
  };
};
