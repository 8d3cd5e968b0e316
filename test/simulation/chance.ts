import { randomOf } from '../support/seed.ts';

/** Everything that happens by chance in one simulated run comes from its seed. */
export type Chance = {
  readonly random: () => number;
  /** True with this probability. */
  readonly is: (probability: number) => boolean;
  /** A whole number from 0 up to, and without, `below`. */
  readonly below: (below: number) => number;
  readonly pick: <T>(from: readonly T[]) => T;
};

export const createChance = (seed: number): Chance => {
  const random = randomOf(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  return {
    random,
    below,
    is: (probability) => random() < probability,
    pick: (from) => from[below(from.length)] as never,
  };
};

/** Every kind of fault, by name; how often each was injected is counted over all runs. */
export const faultKinds = [
  'message delivered twice',
  'message delayed',
  'messages reordered',
  'message dropped until redelivery',
  'ack lost',
  'batch partly delivered',
  'message that is no event',
  'id used twice for different facts',
  'crash before the commit',
  'crash between commit and ack',
  'crash between two operations',
  'crash after an effect, before its outcome',
  'file manager answers 429 with Retry-After',
  'file manager answers 503',
  'file manager fails before the effect',
  'file manager fails after the effect',
  'connection cut in the middle of a body',
  'file manager never answers',
  'file manager says nothing about a path any more',
  'file manager is slow',
  'file manager forgets an idempotency key',
  'file manager is down for a while',
  'object changes while it is read',
  'download breaks off',
  'bucket answers 503',
  'object cannot be read for a while',
  'bucket fails to answer a question',
  'bucket changes before it answers a question',
  'bucket changes before its answer arrives',
  'listing breaks off',
  'listing comes back empty',
  "clock far from the bucket's",
  "producer's clock hours ahead",
  'disk full',
  'database locked by another process',
  'disk full at a commit',
  'database busy at a commit',
  'report endpoint is down',
] as const;

export type FaultKind = (typeof faultKinds)[number];

/** Whether a fault happens here and now; counts those that do. */
export type Faults = {
  /** `by`: a chance of its own, that takes no draws from those of the other faults. */
  readonly strikes: (kind: FaultKind, probability: number, by?: Chance) => boolean;
  /** From now on nothing goes wrong any more. */
  readonly end: () => void;
  readonly fired: ReadonlyMap<FaultKind, number>;
};

export const createFaults = (chance: Chance): Faults => {
  const fired = new Map<FaultKind, number>();
  let active = true;
  return {
    fired,
    strikes: (kind, probability, by = chance) => {
      if (!active || !by.is(probability)) return false;
      fired.set(kind, (fired.get(kind) ?? 0) + 1);
      return true;
    },
    end: () => {
      active = false;
    },
  };
};
