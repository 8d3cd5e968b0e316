import test from 'ava';
import type { Change, Operation } from '../../src/plan/operation.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { planDiff } from '../../src/plan/plan-diff.ts';
import { seedOf } from '../support/seed.ts';
import { changesBetween, seeded } from './model.ts';
import { drawTable, row } from './tables.ts';

const texts = (operations: readonly Operation[]): string[] => operations.map((one) => JSON.stringify(one)).sort();

const both = (changes: readonly Change[]): readonly [string[], string[]] => [
  texts(planDiff((onChange) => changes.forEach(onChange)).operations),
  texts(planChanges(changes).steps.map(({ operation }) => operation)),
];

test('a diff is planned one change at a time with the same operations as all at once', (t) => {
  const seed = seedOf(t);
  const random = seeded(seed);
  const paths = ['a', 'a/', 'a/b', 'a/c/d', 'a-b', 'b', 'b/x', 'c', 'd/', 'd/e', 'd/f', 'é', 'z'];
  for (let run = 0; run < 4_000; run += 1) {
    const changes = changesBetween(drawTable(random, paths, 0), drawTable(random, paths, 200));
    const [streamed, whole] = both(changes);
    if (JSON.stringify(streamed) !== JSON.stringify(whole)) t.deepEqual(streamed, whole, `SEED=${seed}`);
  }
  t.pass();
});

test('content that stays in place is not overlooked where a rename could bring it', (t) => {
  const gone = { path: 'gone', have: row('gone', 1, 'same'), want: null };
  const kept = { path: 'kept', have: row('kept', 2, 'old'), want: row('kept', 2, 'same', 9) };
  const [streamed, whole] = both([gone, kept]);
  t.deepEqual(streamed, whole);
});
