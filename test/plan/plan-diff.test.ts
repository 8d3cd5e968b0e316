import test from 'ava';
import type { Change, Operation } from '../../src/plan/operation.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { planDiff } from '../../src/plan/plan-diff.ts';
import { seedOf } from '../support/seed.ts';
import { changesBetween, seeded } from './model.ts';
import { drawTable, row } from './tables.ts';

const texts = (operations: readonly Operation[]): string[] => operations.map((one) => JSON.stringify(one)).sort();

const streamedOf = (changes: readonly Change[]): Operation[] => {
  let operations: Operation[] = [];
  planDiff((onChange) => changes.forEach(onChange), {
    add: (operation) => operations.push(operation),
    clear: () => {
      operations = [];
    },
  });
  return operations;
};

/** What comes too early in the streamed order, by the steps that each one waits for. */
const tooEarly = (changes: readonly Change[]): Operation[] => {
  const at = new Map(streamedOf(changes).map(({ op_id }, index) => [op_id, index]));
  const indexOf = (operation: Operation | undefined): number => at.get(operation?.op_id ?? '') ?? Number.NaN;
  const { steps } = planChanges(changes);
  return steps
    .filter(({ operation, after }) => after.some((on) => !(indexOf(steps[on]?.operation) < indexOf(operation))))
    .map(({ operation }) => operation);
};

const both = (changes: readonly Change[]): readonly [string[], string[]] => [
  texts(streamedOf(changes)),
  texts(planChanges(changes).steps.map(({ operation }) => operation)),
];

test('a diff is planned one change at a time with the same operations as all at once', (t) => {
  const seed = seedOf(t);
  const random = seeded(seed);
  const paths = ['A', 'a', 'a/', 'a/b', 'a/c/d', 'a-b', 'b', 'b/x', 'c', 'd/', 'd/e', 'd/F', 'd/f', 'é', 'z'];
  for (let run = 0; run < 4_000; run += 1) {
    const changes = changesBetween(drawTable(random, paths, 0), drawTable(random, paths, 200));
    const [streamed, whole] = both(changes);
    if (JSON.stringify(streamed) !== JSON.stringify(whole)) t.deepEqual(streamed, whole, `SEED=${seed}`);
    const early = tooEarly(changes);
    if (early.length > 0) t.deepEqual(early, [], `SEED=${seed}`);
  }
  t.pass();
});

test('content that stays in place is not overlooked where a rename could bring it', (t) => {
  const gone = { path: 'gone', have: row('gone', 1, 'same'), want: null };
  const kept = { path: 'kept', have: row('kept', 2, 'old'), want: row('kept', 2, 'same', 9) };
  const [streamed, whole] = both([gone, kept]);
  t.deepEqual(streamed, whole);
});
