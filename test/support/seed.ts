import type { ExecutionContext } from 'ava';

/** The seed of a random test: `SEED` of the environment, or another one each time. It is printed, whatever comes of the test. */
export const seedOf = (t: ExecutionContext): number => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
  t.log(`SEED=${seed}`);
  return seed;
};
