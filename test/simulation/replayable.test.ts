import test from 'ava';
import { simulate } from './simulate.ts';

test('a seed gives the same run again, however busy the machine is', async (t) => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const alone = await simulate(seed);
    const [crowded] = await Promise.all([simulate(seed), simulate(seed + 100), simulate(seed + 200)]);
    t.deepEqual(crowded?.problems, alone.problems, `seed ${seed}`);
    t.deepEqual([...(crowded?.fired ?? [])], [...alone.fired], `seed ${seed}`);
  }
});
