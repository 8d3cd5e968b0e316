import { randomOf } from '../../test/support/seed.ts';

/** Random choices that a seed repeats. */
export type Random = {
  /** 0 up to, and without, 1. */
  share(): number;
  /** A whole number from 0 up to, and without, `end`. */
  below(end: number): number;
  between(least: number, most: number): number;
  chance(share: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** A name, as often as its weight says. */
  weighted<N extends string>(weights: Readonly<Record<N, number>>): N;
};

/** `seed` is a whole number. */
export const createRandom = (seed: number): Random => {
  const share = randomOf(seed);
  const below = (end: number): number => Math.floor(share() * end);
  return {
    share,
    below,
    between: (least, most) => least + below(most - least + 1),
    chance: (wanted) => share() < wanted,
    pick: <T>(items: readonly T[]): T => {
      if (items.length === 0) throw new RangeError('nothing to pick from');
      return items[below(items.length)] as T;
    },
    weighted: <N extends string>(weights: Readonly<Record<N, number>>): N => {
      const entries = Object.entries(weights) as [N, number][];
      let left = share() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [name, weight] of entries) {
        left -= weight;
        if (left < 0) return name;
      }
      return (entries.at(-1) as [N, number])[0];
    },
  };
};

/** How often each name came. */
export const createCounts = () => {
  const counts = new Map<string, number>();
  return {
    add: (name: string, by = 1): void => void counts.set(name, (counts.get(name) ?? 0) + by),
    entries: (): [string, number][] => [...counts].sort(([a], [b]) => (a < b ? -1 : 1)),
    total: (): number => [...counts.values()].reduce((sum, count) => sum + count, 0),
  };
};

export type Counts = ReturnType<typeof createCounts>;
