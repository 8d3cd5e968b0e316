import type { ExecutionContext } from 'ava';

/** The seed of a random test: `SEED` of the environment, or another one each time. It is printed, whatever comes of the test. */
export const seedOf = (t: ExecutionContext): number => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
  t.log(`SEED=${seed}`);
  return seed;
};

/** Random numbers from 0 up to, and without, 1 (mulberry32): the same seed gives the same ones on every machine. */
export const randomOf = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};
