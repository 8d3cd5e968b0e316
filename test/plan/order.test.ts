import test from 'ava';
import type { Edge } from '../../src/plan/claims.ts';
import { stepsAside, topological } from '../../src/plan/order.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { changesBetween } from './model.ts';
import { row } from './tables.ts';

const leaves = (on: number): Edge => ({ on, until: 'vacated', own: false });
const arrives = (on: number): Edge => ({ on, until: 'arrived', own: false });
const leavesWithin = (on: number): Edge => ({ on, until: 'vacated', own: true });

test('one step aside opens a ring, and what leads into the ring needs none', (t) => {
  t.deepEqual([...stepsAside([[leaves(1)], [leaves(2)], [leaves(0)]])], [0]);
  t.deepEqual([...stepsAside([[leaves(1)], [leaves(2)], [leaves(1)]])], [1]);
  t.deepEqual([...stepsAside([[leaves(0)]])], [0]);
  t.deepEqual([...stepsAside([[leaves(1)], [leaves(2)], []])], []);
  t.deepEqual([...stepsAside([[leaves(1)], [leaves(0)], [leaves(3)], [leaves(2)]])], [0, 2]);
});

test('only a step that others wait for to leave is taken aside: for one to arrive it would still have to arrive', (t) => {
  t.deepEqual([...stepsAside([[arrives(1)], [leaves(2)], [arrives(0)]])], [2]);
});

test('a folder that waits for what is in it is not taken aside for that', (t) => {
  t.deepEqual([...stepsAside([[leavesWithin(1)], [leaves(0)]])], [1]);
});

test('steps come after what they wait for, and else by rank; what waits for itself has no order', (t) => {
  t.deepEqual(topological([[], [2], [], [0]], [3, 2, 1, 0]), [2, 1, 0, 3]);
  t.throws(() => topological([[1], [0]], [0, 1]), { message: /wait for each other/ });
});

test('chains and rings of 50,000 files are ordered without running out of stack', (t) => {
  const files = Array.from({ length: 50_000 }, (_, at) => row(`f${String(at).padStart(5, '0')}`, at + 1));
  const rotated = files.map((file, at) => ({
    ...(files[(at + 1) % files.length] as typeof file),
    path: file.path,
    offset: 100_000 + at,
  }));
  t.is(planChanges(changesBetween(files, rotated)).steps.length, 50_001);
  t.is(planChanges(changesBetween(files.slice(1), rotated.slice(0, -1))).steps.length, 49_999);
});

test('a folder of 200,000 files is one operation', (t) => {
  const changes = Array.from({ length: 200_000 }, (_, at) => {
    const have = row(`d/${String(at).padStart(6, '0')}`, at + 1);
    return { path: have.path, have, want: null };
  });
  const plan = planChanges(changes, { capabilities: ['folders'], filesUnder: () => 200_000 });
  t.is(plan.steps.length, 1);
  t.is(plan.steps[0]?.files, 200_000);
});
