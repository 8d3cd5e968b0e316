import test from 'ava';
import { type GateFacts, type GateLimits, judge } from '../../src/plan/gate.ts';
import type { Plan, Step } from '../../src/plan/operation.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { changesBetween } from './model.ts';
import { facts, row } from './tables.ts';

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

const verdict = (of: Plan, given: Partial<GateFacts>, limits: Partial<GateLimits> = {}): readonly string[] => {
  const { held, reasons } = judge(of, { filesBefore: 1_000_000, ...given }, limits);
  return held ? reasons : [];
};

const cases: readonly [title: string, of: Plan, given: Partial<GateFacts>, reasons: readonly string[]][] = [
  ['1,000 deletes of a million', plan(1_000), {}, []],
  ['1,001 deletes of a million', plan(1_001), {}, ['it would delete 1001 files, more than 1000 (GATE_DELETE_MAX)']],
  ['25 of 100', plan(25), { filesBefore: 100 }, []],
  [
    '26 of 100',
    plan(26),
    { filesBefore: 100 },
    ['it would delete 26 of 100 files, 26 %: more than 25 % (GATE_DELETE_SHARE_MAX)'],
  ],
  ['all of a small bucket', plan(10), { filesBefore: 10 }, []],
  [
    'all of a bucket that is no longer small',
    plan(11),
    { filesBefore: 11 },
    ['it would delete 11 of 11 files, 100 %: more than 25 % (GATE_DELETE_SHARE_MAX)'],
  ],
  [
    'deletes where the file manager is thought to hold nothing',
    plan(11),
    { filesBefore: 0 },
    ['it would delete 11 of 0 files, 1100 %: more than 25 % (GATE_DELETE_SHARE_MAX)'],
  ],
  ['renames of everything', plan(0, 5_000), { filesBefore: 5_000 }, []],
  [
    'a delete from a listing that broke off',
    plan(1),
    { listing: { objects: 50, complete: false, error: 'page 2 answered 503' } },
    [
      "the listing of the bucket broke off after 50 objects (page 2 answered 503), and it would delete 1 file: 's3-sync reconcile' lists it again",
    ],
  ],
  ['a delete from a whole listing', plan(1), { listing: { objects: 50, complete: true } }, []],
  ['renames from a listing that broke off', plan(0, 1), { listing: { objects: 50, complete: false } }, []],
  [
    'a delete from an empty listing',
    plan(1),
    { listing: { objects: 0, complete: true } },
    ['the bucket lists no objects at all, and it would delete 1 file'],
  ],
  [
    'another bucket',
    plan(0, 1),
    { bucketBefore: 'https://a/one', bucketNow: 'https://a/two' },
    ['the file manager was filled from https://a/one, and https://a/two is configured now'],
  ],
  ['the same bucket', plan(0, 1), { bucketBefore: 'a', bucketNow: 'a' }, []],
  ['a file table that lost half of its rows', plan(0, 1), { projection: { before: 100, now: 50 } }, []],
  [
    'a file table that lost more than half of its rows',
    plan(0, 1),
    { projection: { before: 100, now: 49 } },
    ['the file table has shrunk from 100 to 49 rows since the last cycle, by 51 %: more than 50 %'],
  ],
  ['a small file table that lost everything', plan(0, 1), { projection: { before: 10, now: 0 } }, []],
  ['a clock 15 minutes off', plan(0, 1), { clockOffsetMs: 900_000 }, []],
  [
    'a clock an hour behind',
    plan(0, 1),
    { clockOffsetMs: 3_600_000 },
    ["this machine's clock is 3600 s behind the bucket's, more than 900 s"],
  ],
  [
    'a clock an hour ahead',
    plan(0, 1),
    { clockOffsetMs: -3_600_000 },
    ["this machine's clock is 3600 s ahead of the bucket's, more than 900 s"],
  ],
  ['a plan that does nothing, whatever the facts', plan(0), { bucketBefore: 'a', bucketNow: 'b' }, []],
];

for (const [title, of, given, reasons] of cases) {
  test(`${title}: ${reasons.length === 0 ? 'goes on' : 'is held, with the numbers'}`, (t) => {
    t.deepEqual(verdict(of, given), reasons);
  });
}

test('every reason is named, not the first alone', (t) => {
  t.is(verdict(plan(2_000), { filesBefore: 2_000, listing: { objects: 0, complete: true } }).length, 3);
});

test('limits are the configured ones where given', (t) => {
  t.deepEqual(verdict(plan(5), {}, { deleteMax: 4 }), ['it would delete 5 files, more than 4 (GATE_DELETE_MAX)']);
  t.deepEqual(verdict(plan(2_000), {}, { deleteMax: 2_000 }), []);
});

test('a folder that goes as a whole counts with all its files, one that moves counts nothing', (t) => {
  const have = Array.from({ length: 40 }, (_, at) => row(`d/${at}`, at + 1));
  const options = facts(have, ['folders']);
  const gone = planChanges(changesBetween(have, []), options);
  t.is(gone.steps.length, 1);
  t.deepEqual(verdict(gone, { filesBefore: 100 }), [
    'it would delete 40 of 100 files, 40 %: more than 25 % (GATE_DELETE_SHARE_MAX)',
  ]);
  const away = have.map((file) => ({ ...file, path: `e/${file.file_id}`, offset: 50 }));
  t.deepEqual(verdict(planChanges(changesBetween(have, away), options), { filesBefore: 40 }), []);
  // Those that left the folder before it goes are not deleted.
  const most = planChanges(changesBetween(have, away.slice(0, 35)), options);
  t.deepEqual(verdict(most, { filesBefore: 40 }), []);
});
