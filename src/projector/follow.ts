import type { Projector } from './projector.ts';

/** Events that projections may be behind while the log grows: two windows of a fold. */
const behindMax = 20_000;

/**
 * Folds beside the intake: while one batch is folded, the next is received and appended. A fold takes together whatever
 * has come in the meantime, which costs less than batch by batch.
 */
export type Follower = {
  /** Resolves when there is room for another batch. Throws what a fold threw since; a later one takes up where it was. */
  ready(): Promise<void>;
  /** Says that the log has grown by so many events. */
  grown(events: number): void;
  /** Resolves when all of it is folded; throws what keeps it from that. */
  settled(): Promise<void>;
};

export const createFollower = (projector: Pick<Projector, 'catchUp'>): Follower => {
  let behind = 0;
  let folding: Promise<void> | undefined;
  let failure: { readonly error: unknown } | undefined;

  const fold = async (): Promise<void> => {
    try {
      while (behind > 0) {
        const seen = behind;
        await projector.catchUp();
        behind -= seen;
      }
    } catch (error) {
      failure = { error };
    }
    // At once, while nothing else can run: what comes from now on begins a fold of its own.
    folding = undefined;
  };
  const toTheEnd = async (): Promise<void> => {
    if (behind > 0) await (folding ??= fold());
  };
  const throwFailure = (): void => {
    if (!failure) return;
    const { error } = failure;
    failure = undefined;
    throw error;
  };

  return {
    ready: async () => {
      throwFailure();
      if (behind > behindMax) await toTheEnd();
      throwFailure();
    },
    grown: (events) => {
      behind += events;
      void toTheEnd();
    },
    settled: async () => {
      await toTheEnd();
      throwFailure();
    },
  };
};
