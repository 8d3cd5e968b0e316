import type { Recorded } from '../../events/event.ts';
import { backoffMs } from '../sources/backoff.ts';
import { groupEvents, type Projector } from './projector.ts';

/** Events by which the log may be ahead of the views before the intake waits: two transactions of a fold. */
const behindMax = 2 * groupEvents;
const retryMsMax = 30_000;

/**
 * What a fold writes are the pages that its rows lie on, and paths come in no order: so few events cost nearly as much as
 * many. Fewer than these are folded at once, since that costs little however often it happens; as many as half a
 * transaction are, too. What is between waits for more to come, but not for long.
 */
const fewEvents = 1_000;
const manyEvents = groupEvents / 2;
const waitMsMax = 2_000;
const isWorthWaiting = (events: number): boolean => events >= fewEvents && events < manyEvents;

/**
 * Folds beside the intake: while one batch is folded, the next is received and appended. A fold takes together whatever
 * has come in the meantime, which costs less than batch by batch. One that fails is tried again, ever more seldom, also
 * when nothing more comes.
 */
export type Follower = {
  /** Resolves when there is room for another batch. After a failure it tries at once, and throws what fails then. */
  ready(): Promise<void>;
  /**
   * Says that the log has grown by so many events. Where all are given along, they are folded as they are; otherwise, and
   * after a failure, they are read from the log.
   */
  grown(events: number, appended?: readonly Recorded[]): void;
  /** Resolves when all of it is folded; throws what keeps it from that now. */
  settled(): Promise<void>;
  /** The same, for the last time: nothing is tried again afterwards. */
  end(): Promise<void>;
};

export const createFollower = (
  projector: Pick<Projector, 'catchUp'>,
  onFailure: (error: unknown, retryMs: number) => void = () => undefined,
): Follower => {
  let behind = 0;
  let handed: Recorded[] = [];
  let folding: Promise<void> | undefined;
  /** The part of it that is under way; ends without an error either way. */
  let part: Promise<unknown> | undefined;
  let failure: { readonly error: unknown } | undefined;
  let failures = 0;
  let retry: NodeJS.Timeout | undefined;
  /** Runs while what is behind waits for more. */
  let wait: NodeJS.Timeout | undefined;
  /** Callers who wait for all of it. */
  let insisting = 0;

  const fold = async (): Promise<void> => {
    clearTimeout(retry);
    clearTimeout(wait);
    wait = undefined;
    failure = undefined;
    try {
      do {
        const areAllHanded = handed.length === behind;
        const appended = areAllHanded ? handed.slice(0, groupEvents) : [];
        handed = areAllHanded ? handed.slice(groupEvents) : [];
        const seen = areAllHanded ? appended.length : behind;
        const folded = projector.catchUp({ appended });
        part = folded.catch(() => undefined);
        await folded;
        behind -= seen;
      } while (behind > 0 && (insisting > 0 || !isWorthWaiting(behind)));
      failures = 0;
    } catch (error) {
      failure = { error };
      const retryMs = backoffMs(failures++, retryMsMax);
      retry = setTimeout(() => void joinFold(), retryMs);
      onFailure(error, retryMs);
    }
    // At once, while nothing else can run: what comes from now on begins a fold of its own.
    folding = undefined;
    if (!failure) foldInTime();
  };
  const joinFold = async (): Promise<void> => {
    if (behind > 0) await (folding ??= fold());
  };
  /** Begins a fold, or sees to it that one begins once enough has come, or time has passed. */
  const foldInTime = (): void => {
    if (folding) return;
    if (!isWorthWaiting(behind)) void joinFold();
    else wait ??= setTimeout(() => void joinFold(), waitMsMax);
  };
  const insist = async (): Promise<void> => {
    insisting += 1;
    await joinFold();
    insisting -= 1;
    if (failure) throw failure.error;
  };

  return {
    ready: async () => {
      while (!failure && behind > behindMax) await part;
      if (failure) await insist();
    },
    grown: (events, appended = []) => {
      behind += events;
      for (const event of appended) handed.push(event);
      if (!failure) foldInTime();
    },
    settled: insist,
    end: async () => {
      await insist().finally(() => clearTimeout(retry));
    },
  };
};
