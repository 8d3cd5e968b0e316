import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { FatalError } from '../../src/errors.ts';
import type { Plan } from '../../src/plan/operation.ts';
import { planChanges } from '../../src/plan/plan.ts';
import {
  dropPlan,
  findPlan,
  readPlans,
  releasedPlans,
  releasePlan,
  storeOnce,
  storePlan,
} from '../../src/plan/store.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { changesBetween } from './model.ts';
import { row } from './tables.ts';

const plansFolder = async (t: ExecutionContext): Promise<string> => {
  const folder = await freshFolder();
  t.teardown(() => removeFolder(folder));
  return join(folder, 'plans');
};

const named = (id: string): Plan => ({ id, steps: [], unplaceable: [] });

test('what is kept of a plan comes back as it was, by its id or a unique beginning of it', async (t) => {
  const folder = await plansFolder(t);
  const plan = planChanges(changesBetween([row('a', 1)], [row('b', 1, 'e1', 5), row('c', 2)]));
  const kept = { held: ['too much'], circumstances: ['another bucket'], losses: ['1 a', '2 ü "x"\n\u2028'] };
  await storePlan(folder, { plan, ...kept });
  for (const id of [plan.id, plan.id.slice(0, 4)]) {
    const { stored_at: _, ...found } = await findPlan(folder, id);
    t.deepEqual(found, { plan: { id: plan.id }, ...kept });
  }
});

test('of many plans the heads alone are read, and of one that lost rows the release counts for nothing', async (t) => {
  const folder = await plansFolder(t);
  const [whole, torn] = ['a'.repeat(16), 'b'.repeat(16)] as const;
  for (const id of [whole, torn]) {
    await storePlan(folder, { plan: named(id), held: ['held'], losses: ['1 a', '2 b'] });
    await releasePlan(folder, id);
  }
  const path = join(folder, `${torn}.json`);
  await writeFile(path, (await readFile(path, 'utf8')).replace('"2 b"\n', ''));
  const { plans, damaged } = await readPlans(folder);
  t.deepEqual([plans.map(({ plan }) => plan.id), damaged], [[whole, torn], []]);
  t.false(JSON.stringify(plans).includes('1 a'));
  t.deepEqual(
    (await releasedPlans(folder)).map(({ plan, losses }) => [plan.id, losses]),
    [[whole, ['1 a', '2 b']]],
  );
  await t.throwsAsync(findPlan(folder, torn), { message: /is damaged: make it again/ });
});

test('a plan that a version stored with its operations, all in one line, is read too', async (t) => {
  const folder = await plansFolder(t);
  const plan = planChanges(changesBetween([row('a', 1)], [row('b', 2)]));
  const stored = { plan, held: ['held'], circumstances: [], losses: ['1 a'], stored_at: '2026-01-01T00:00:00.000Z' };
  await mkdir(folder);
  await writeFile(join(folder, `${plan.id}.json`), JSON.stringify(stored));
  t.deepEqual(await findPlan(folder, plan.id), { ...stored, plan: { id: plan.id } });
  t.deepEqual((await readPlans(folder)).plans, [
    { plan: { id: plan.id }, held: ['held'], stored_at: stored.stored_at },
  ]);
});

test('a plan that is not there is answered with the one that was probably meant', async (t) => {
  const folder = await plansFolder(t);
  const answer = async (id: string): Promise<string | undefined> =>
    (await t.throwsAsync(findPlan(folder, id), { instanceOf: FatalError }))?.message;
  t.is(await answer('abcd'), `there is no plan "abcd": none is kept, 's3-sync plan' makes one`);
  await storePlan(folder, { plan: named('aaaabbbbccccdddd'), held: [] });
  await storePlan(folder, { plan: named('aaaabbbbcccceeee'), held: [] });
  t.is(await answer('aaaabbbbccccdddf'), 'there is no plan "aaaabbbbccccdddf": did you mean aaaabbbbccccdddd?');
  t.is(await answer('9999'), 'there is no plan "9999"; kept are aaaabbbbccccdddd, aaaabbbbcccceeee');
  t.is(await answer('aaaa'), '"aaaa" is the beginning of several plans: aaaabbbbccccdddd, aaaabbbbcccceeee');
  t.is(await answer('aa'), `a plan is named by at least the first 4 letters of its id, not "aa"`);
  t.regex((await answer('../../../etc/passwd')) ?? '', /there is no plan/);
});

test('a bounded number of plans is kept, the newest ones, and what belongs to the others goes too', async (t) => {
  const folder = await plansFolder(t);
  const ids = Array.from({ length: 53 }, (_, at) => at.toString(16).padStart(16, '0'));
  for (const id of ids) await storePlan(folder, { plan: named(id), held: [] });
  const oldest = ids[3] as string;
  await releasePlan(folder, oldest);
  await storePlan(folder, { plan: named('f'.repeat(16)), held: [] });
  const kept = (await readPlans(folder)).plans.map(({ plan }) => plan.id);
  t.is(kept.length, 50);
  t.false(kept.includes(ids[0] as string));
  t.true(kept.includes('f'.repeat(16)));
  t.true(kept.includes(oldest), 'one that a person has named stays');
});

test('damaged and foreign files stand in nobody’s way, and what a crash left is cleared', async (t) => {
  const folder = await plansFolder(t);
  await mkdir(folder);
  await writeFile(join(folder, `${'1'.repeat(16)}.json`), '{"plan":{"id":"11111111111');
  await writeFile(join(folder, `${'2'.repeat(16)}.json`), JSON.stringify({ plan: named('3'.repeat(16)), held: [] }));
  await writeFile(join(folder, `${'4'.repeat(16)}.json.tmp-77`), 'half');
  await writeFile(join(folder, 'notes.txt'), 'mine');
  await storePlan(folder, { plan: named('5'.repeat(16)), held: [] });
  t.deepEqual(
    (await readPlans(folder)).plans.map(({ plan }) => plan.id),
    ['5'.repeat(16)],
  );
  const { damaged } = await readPlans(folder);
  t.deepEqual(
    damaged.map(({ path }) => path),
    ['1', '2'].map((letter) => join(folder, `${letter.repeat(16)}.json`)),
  );
  t.regex(damaged[0]?.problem ?? '', /^it is no JSON: /);
  t.is(damaged[1]?.problem, 'it holds no plan of this id');
  await storeOnce(folder, { plan: named('1'.repeat(16)), held: [] });
  t.is((await readPlans(folder)).damaged.length, 1, 'what is due once more takes the place of its damaged file');
  await writeFile(join(folder, `${'1'.repeat(16)}.json`), '');
  await t.throwsAsync(findPlan(folder, '1111'), { instanceOf: FatalError, message: /is damaged: make it again/ });
  t.deepEqual(
    (await readdir(folder)).filter((name) => /tmp|notes/.test(name)),
    ['notes.txt'],
  );
});

test('a plan’s file that cannot be read keeps no cycle from the others', async (t) => {
  const folder = await plansFolder(t);
  const unreadable = join(folder, `${'1'.repeat(16)}.json`);
  await mkdir(unreadable, { recursive: true });
  await writeFile(join(folder, `${'1'.repeat(16)}.released`), '');
  await storePlan(folder, { plan: named('5'.repeat(16)), held: [] });
  const { plans, damaged } = await readPlans(folder);
  t.is(plans.length, 1);
  t.deepEqual(damaged, [{ path: unreadable, problem: 'it cannot be read (EISDIR)' }]);
  t.deepEqual(await releasedPlans(folder), []);
});

test('a release is of one plan, and goes with it', async (t) => {
  const folder = await plansFolder(t);
  const released = async (): Promise<string[]> => (await releasedPlans(folder)).map(({ plan }) => plan.id);
  const id = 'a'.repeat(16);
  await storePlan(folder, { plan: named(id), held: ['held'], circumstances: ['another bucket'] });
  await storePlan(folder, { plan: named('b'.repeat(16)), held: ['held'] });
  t.deepEqual(await released(), []);
  await releasePlan(folder, id);
  await releasePlan(folder, 'c'.repeat(16));
  t.deepEqual(await released(), [id], 'what is not stored releases nothing');
  t.deepEqual((await releasedPlans(folder))[0]?.circumstances, ['another bucket']);
  await dropPlan(folder, id);
  t.deepEqual(await released(), []);
});

test('a plan loses its release before it goes: what ends in between leaves none for the same plan of another day', async (t) => {
  const folder = await plansFolder(t);
  const plan = named('a'.repeat(16));
  await storePlan(folder, { plan, held: ['held'] });
  await releasePlan(folder, plan.id);
  const file = join(folder, `${plan.id}.json`);
  await rm(file);
  await mkdir(file);
  await t.throwsAsync(dropPlan(folder, plan.id), undefined, 'a folder is not removed');
  await rmdir(file);
  await storePlan(folder, { plan, held: ['held'] });
  t.deepEqual(await releasedPlans(folder), []);
});
