import test from 'ava';
import { judge } from '../../src/plan/gate.ts';
import type { Plan, Step } from '../../src/plan/operation.ts';

const step = (kind: 'delete' | 'rename' | 'save', path: string): Step => ({
  operation: { op_id: path, kind, path, file_id: 1, from_offset: 1, to_offset: 0 },
  after: [],
  why: '',
  result: null,
});

const plan = (deletes: number, renames = 0): Plan => ({
  id: 'p',
  steps: [
    ...Array.from({ length: deletes }, (_, at) => step('delete', `f${at}`)),
    ...Array.from({ length: renames }, (_, at) => step('rename', `r${at}`)),
  ],
  unplaceable: [],
});

test('a cycle that would delete too many files, or too large a share, is held with the numbers', (t) => {
  t.deepEqual(judge(plan(1_001), { filesBefore: 1_000_000 }).reasons, [
    'it would delete 1001 files, more than 1000 (GATE_DELETE_MAX)',
  ]);
  t.deepEqual(judge(plan(30), { filesBefore: 100 }).reasons, [
    'it would delete 30 of 100 files, 30 %: more than 25 % (GATE_DELETE_SHARE_MAX)',
  ]);
  t.false(judge(plan(1_000), { filesBefore: 1_000_000 }).held);
  t.false(judge(plan(25), { filesBefore: 100 }).held);
});

test('small buckets are not held for a handful of deletes, and renames are no deletes', (t) => {
  t.false(judge(plan(10), { filesBefore: 10 }).held);
  t.true(judge(plan(11), { filesBefore: 11 }).held);
  t.false(judge(plan(0, 5_000), { filesBefore: 5_000 }).held);
});

test('a folder counts with all beneath it', (t) => {
  const one: Plan = { id: 'p', steps: [step('delete', 'd/')], unplaceable: [] };
  t.true(judge(one, { filesBefore: 100, filesUnder: () => 60 }).held);
});

test('deletes that stand on an empty or broken listing are held', (t) => {
  t.true(judge(plan(1), { filesBefore: 100, listing: { objects: 0, complete: true } }).held);
  t.true(judge(plan(1), { filesBefore: 100, listing: { objects: 50, complete: false } }).held);
  t.false(judge(plan(1), { filesBefore: 100, listing: { objects: 50, complete: true } }).held);
});

test('another bucket and a clock far off are held', (t) => {
  t.true(judge(plan(0, 1), { filesBefore: 1, bucketBefore: 'a', bucketNow: 'b' }).held);
  t.true(judge(plan(0, 1), { filesBefore: 1, clockOffsetMs: 3_600_000 }).held);
});
