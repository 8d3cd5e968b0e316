import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type FaultKind, faultKinds } from './chance.ts';
import { simulate } from './simulate.ts';

/** Seeds that once failed: they run each time. */
const kept = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../fixtures/simulation/seeds.json'), 'utf8'),
) as readonly number[];

const all = Number(process.env['SEEDS'] ?? 500);

/** Runs one of two shares of all seeds, so that two test processes work side by side. */
export const runShare = async (t: ExecutionContext, share: 0 | 1): Promise<void> => {
  t.timeout(600_000);
  const first = Number(process.env['SEED'] ?? Math.floor(Date.now() / 1000) % 1_000_000);
  const drawn = Array.from({ length: all }, (_, at) => first + at);
  const seeds = [...kept, ...drawn].filter((_, at) => at % 2 === share);
  const fired = new Map<FaultKind, number>();
  for (const seed of seeds) {
    const result = await simulate(seed);
    for (const [kind, times] of result.fired) fired.set(kind, (fired.get(kind) ?? 0) + times);
    t.deepEqual(
      result.problems,
      [],
      `seed ${seed} (again: npm run simulate -- --seed ${seed}; keep it in fixtures/simulation/seeds.json)`,
    );
  }
  const counts = faultKinds.map((kind) => `${String(fired.get(kind) ?? 0).padStart(7)}  ${kind}`);
  // On standard error, which the test runner shows also when everything passes.
  console.error(
    `  ${seeds.length} simulated seeds from ${first} on; how often each fault struck:\n${counts.join('\n')}`,
  );
  t.true(fired.size >= 20, 'at least 20 kinds of fault');
  if (all >= 500) t.is(fired.size, faultKinds.length, 'every kind of fault was injected');
};
