import { UnreachableError } from '../errors.ts';
import type { Delivery, ReceiveOptions } from './source.ts';

/** What is worth telling of a broker: it cannot be read, for `seconds` now, or it can again after so many. */
export type ReachNews =
  | { readonly kind: 'away'; readonly reason: string; readonly seconds: number }
  | { readonly kind: 'back'; readonly seconds: number };

export type ReachOptions = {
  /** What is read, as a message names it. */
  readonly name: string;
  /** Hears of trouble at once, then ever more seldom while it lasts, and of its end. */
  readonly onNews?: ((news: ReachNews) => void) | undefined;
  /** How long a broker may leave its first question unanswered before it counts as away. */
  readonly answerMsMax?: number;
  /** Milliseconds of a clock that is never set back. */
  readonly now?: () => number;
};

/** Whether a broker answers. A broker with nothing to give and one that is not there would look the same otherwise. */
export type Reach = {
  answered(): void;
  failed(reason: string): void;
  /** Nothing more will be heard: closed, or failed for good. */
  end(): void;
  /**
   * `take`, on behalf of a source's `receive`. With `idleMs` none is what the broker said: the time begins with its first
   * answer, and where it does not answer an UnreachableError tells why.
   */
  receive(take: () => Promise<readonly Delivery[]>, options: ReceiveOptions): Promise<readonly Delivery[]>;
};

const quietMs = { first: 60_000, most: 3_600_000 };
/** A broker that has answered for so long was well: what comes now is new. */
const peaceMs = 300_000;

export const createReach = ({
  name,
  onNews,
  answerMsMax = 10_000,
  now = () => performance.now(),
}: ReachOptions): Reach => {
  let trouble: string | undefined = `no answer within ${answerMsMax / 1_000} s`;
  let troubleAt = now();
  let answersSince = 0;
  let told = false;
  let toldAt = Number.NEGATIVE_INFINITY;
  let quiet = 0;
  let ended = false;
  let hear: () => void = () => undefined;
  const heard = new Promise<void>((resolve) => {
    hear = resolve;
  });

  const firstWord = async (signal: AbortSignal): Promise<void> => {
    const timer = setTimeout(hear, answerMsMax);
    signal.addEventListener('abort', hear);
    if (signal.aborted) hear();
    await heard;
    clearTimeout(timer);
    signal.removeEventListener('abort', hear);
  };

  const seconds = (): number => Math.round((now() - troubleAt) / 1_000);

  return {
    answered() {
      hear();
      if (told) onNews?.({ kind: 'back', seconds: seconds() });
      told = false;
      if (trouble !== undefined) answersSince = now();
      trouble = undefined;
    },
    failed(reason) {
      hear();
      const time = now();
      const silent = time - toldAt;
      if (trouble === undefined) {
        troubleAt = time;
        // One that comes and goes is one trouble; only after a long peace is it a new one.
        if (silent > 2 * quiet || time - answersSince >= peaceMs) quiet = 0;
      }
      trouble = reason;
      // Where the last word was that it answers, that must not stay so for long.
      if (!told && time - troubleAt >= quietMs.first) quiet = 0;
      if (silent < quiet) return;
      quiet = Math.min(Math.max(2 * quiet, quietMs.first), quietMs.most);
      told = true;
      toldAt = time;
      onNews?.({ kind: 'away', reason, seconds: seconds() });
    },
    end() {
      ended = true;
      hear();
    },
    async receive(take, { signal, idleMs }) {
      if (idleMs === undefined) return take();
      await firstWord(signal);
      const taken = await take();
      if (taken.length === 0 && trouble !== undefined && !ended && !signal.aborted)
        throw new UnreachableError(`${name} cannot be read: ${trouble}`);
      return taken;
    },
  };
};
