import test from 'ava';
import { judge, type Verdict } from '../../src/plan/gate.ts';
import type { Change } from '../../src/plan/operation.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { isCovered, isStillMeant, lossesOf } from '../../src/plan/release.ts';
import type { StoredPlan } from '../../src/plan/store.ts';
import { changesBetween } from './model.ts';
import { facts, row } from './tables.ts';

const before = [row('a', 1), row('b', 2), row('c', 3), row('d', 4)];
const without = (...gone: string[]): Change[] =>
  changesBetween(
    before,
    before.filter(({ path }) => !gone.includes(path)),
  );

const judged = (changes: readonly Change[], bucketNow = 'one'): Verdict =>
  judge(planChanges(changes), { filesBefore: 4, bucketBefore: 'one', bucketNow }, { deleteMax: 1, deleteFloor: 1 });

const released = (changes: readonly Change[], bucketNow?: string): StoredPlan => {
  const { reasons, circumstances } = judged(changes, bucketNow);
  const plan = planChanges(changes);
  return { plan, held: reasons, circumstances, losses: lossesOf(plan, changes), stored_at: '' };
};

const covers = (stored: readonly StoredPlan[], changes: readonly Change[], bucketNow?: string): boolean =>
  isCovered(planChanges(changes), changes, judged(changes, bucketNow), stored);

test('a release holds for the same deletes, for fewer, and for what comes beside them', (t) => {
  const stored = [released(without('a', 'b'))];
  t.true(covers(stored, without('a', 'b')));
  t.true(covers(stored, without('b')));
  t.true(covers(stored, [...without('a', 'b'), ...changesBetween([], [row('new', 9)])]));
  t.false(covers([], without('a', 'b')));
});

test('a release holds for no further delete, however few', (t) => {
  const stored = [released(without('a', 'b'))];
  t.false(covers(stored, without('a', 'b', 'c')));
  t.false(covers(stored, without('c')));
  t.true(covers([...stored, released(without('c'))], without('a', 'b', 'c')), 'but what two were given for, together');
});

test('a release holds for no file that another one is renamed onto', (t) => {
  const onto = changesBetween(before, [row('b', 1), row('c', 3), row('d', 4)]);
  t.deepEqual(
    planChanges(onto).steps.map(({ operation }) => operation.kind),
    ['rename'],
  );
  t.false(covers([released(without('a', 'c'))], onto));
  t.true(covers([released(onto)], onto));
});

test('a release holds for the files of a folder, whether it goes at once or file by file', (t) => {
  const folder = [row('d/', 5), row('d/a', 6), row('d/b', 7)];
  const atOnce = changesBetween(folder, []);
  const one = changesBetween(folder, [...folder.slice(0, 2), row('d/new', 9)]);
  const whole = planChanges(atOnce, facts(folder, ['folders']));
  t.deepEqual(
    whole.steps.map(({ operation }) => operation.recursive),
    [true],
  );
  const losses = lossesOf(whole, atOnce);
  t.deepEqual(losses.toSorted(), folder.map(({ offset, path }) => `${offset} ${path}`).toSorted());
  t.true(covers([{ plan: whole, held: [], losses, stored_at: '' }], one));
  t.true(isCovered(whole, atOnce, judged(atOnce), [released(atOnce)]));
});

test('a delete of the same path that came later is another one', (t) => {
  const again = changesBetween([{ ...row('a', 1), offset: 99 }], []);
  t.false(covers([released(without('a', 'b'))], again));
});

test('of a file of which nothing is known any more a release names the path, and no other one', (t) => {
  const unknown = changesBetween([{ ...row('a', 99), file_id: 0 }], []);
  t.true(covers([released(without('a', 'b'))], unknown));
  t.true(covers([released(unknown)], unknown));
  t.false(covers([released(without('b'))], unknown));
});

test('a release given for one bucket does not hold for another, nor one given before it changed', (t) => {
  const changes = without('a', 'b');
  t.true(covers([released(changes, 'two')], changes, 'two'));
  t.false(covers([released(changes, 'two')], changes, 'three'));
  t.false(covers([released(changes)], changes, 'two'));
});

test('a release is over when nothing of it is planned any more', (t) => {
  const meant = (stored: StoredPlan, changes: readonly Change[], bucketNow?: string): boolean =>
    isStillMeant(stored, planChanges(changes), changes, judged(changes, bucketNow));
  const stored = released(without('a', 'b'), 'two');
  t.true(meant(stored, without('b', 'c')));
  t.true(meant(stored, without('c'), 'two'));
  t.false(meant(stored, without('c')));
  t.false(meant(stored, []));
});
