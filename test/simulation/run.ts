/** `npm run simulate -- --seed N` runs one simulated history again; `--seeds FROM COUNT` runs many. */
import { faultKinds } from './chance.ts';
import { simulate } from './simulate.ts';

const [flag, first = '1', count = '1'] = process.argv.slice(2);
const given = flag === undefined ? [] : [first, ...(flag === '--seeds' ? [count] : [])];
if (![undefined, '--seed', '--seeds'].includes(flag) || !given.every((text) => /^\d{1,15}$/.test(text))) {
  console.error('usage: npm run simulate -- --seed N, or --seeds FROM COUNT');
  process.exit(2);
}
const seeds = Array.from({ length: flag === '--seed' ? 1 : Number(count) }, (_, at) => Number(first) + at);
const fired = new Map<string, number>();
let failed = 0;
for (const seed of seeds) {
  const result = await simulate(seed);
  for (const [kind, times] of result.fired) fired.set(kind, (fired.get(kind) ?? 0) + times);
  if (result.problems.length === 0) continue;
  failed += 1;
  console.log(`seed ${seed}:\n  ${result.problems.join('\n  ')}`);
}
for (const kind of faultKinds) console.log(`${String(fired.get(kind) ?? 0).padStart(7)}  ${kind}`);
console.log(`${seeds.length - failed} of ${seeds.length} seeds end equal`);
process.exitCode = failed === 0 ? 0 : 1;
