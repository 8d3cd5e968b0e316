import test, { type ExecutionContext } from 'ava';
import type { FileRow } from '../../projections/rows.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { admissibleOrder, carryOut, changesBetween, contentOf, diskOf, listingOf, seeded } from './model.ts';
import { drawTable, facts, tables } from './tables.ts';

/** What a disk holds once it equals the table, where `null` has no opinion of permissions. */
const expected = (want: readonly FileRow[], have: string[]): string[] => {
  const permissions = new Map(have.map((line) => [line.split(' ')[0], line.split(' ')[2] ?? 'null']));
  return listingOf(
    diskOf(want.map((file) => ({ ...file, permissions: file.permissions ?? permissions.get(file.path) ?? null }))),
  ).map((line) => line.replace(/^(.*) null$/, '$1 null'));
};

const holds = (
  t: ExecutionContext,
  have: readonly FileRow[],
  want: readonly FileRow[],
  folders: boolean,
  random: () => number,
  caseless = false,
): boolean => {
  const changes = changesBetween(have, want);
  const plan = planChanges(changes, facts(have, folders ? ['folders'] : []));
  const disk = diskOf(have, caseless);
  const brief = (rows: readonly FileRow[]): string[] =>
    rows.map((row) => `${row.path} ${row.file_id} ${contentOf(row)} ${row.permissions}`);
  const story = (): string =>
    JSON.stringify({
      have: brief(have),
      want: brief(want),
      folders,
      steps: plan.steps.map(
        ({ operation, after }) => `${operation.kind} ${operation.path} ${operation.to ?? ''} after ${after}`,
      ),
    });
  try {
    for (const step of admissibleOrder(plan, random)) carryOut(disk, step);
  } catch (error) {
    t.fail(`${String(error)}: ${story()}`);
    return false;
  }
  const got = listingOf(disk);
  const right = JSON.stringify(got) === JSON.stringify(expected(want, got));
  if (!right) t.deepEqual(got, expected(want, got), story());
  return right;
};

for (const folders of [false, true]) {
  test(`every pair of small trees${folders ? ', with whole folders' : ''}: the plan turns one into the other in any admissible order`, (t) => {
    const random = seeded(7);
    const small = tables(['a', 'a/x', 'b', 'd/x', 'd/y', 'e/x'], 3);
    let pairs = 0;
    for (const have of small) {
      for (const want of small) {
        // Half of the pairs is enough for a run of seconds, and every pair comes up in one of two runs.
        if ((pairs++ + (folders ? 1 : 0)) % 2 === 0) continue;
        const changed = want.map((file) =>
          file.file_id === 2 ? { ...file, etag: 'changed', offset: 9 } : { ...file, offset: 9 },
        );
        if (!holds(t, have, changed, folders, random)) return;
      }
    }
    t.true(pairs > 10_000, `${pairs} pairs`);
  });
}

const rich = [
  'a',
  'a/',
  'a/b',
  'a/b/',
  'a/b/x',
  'a/b/y',
  'a/c',
  'd',
  'd/',
  'd/b/',
  'd/b/x',
  'd/b/y',
  'd/c',
  'e/b/x',
  'e/b/y',
  'e/c',
  'x',
  'y',
];

test('drawn pairs with folders of their own, contents that repeat and permissions: the plan turns one into the other', (t) => {
  for (let seed = 1; seed <= 20_000; seed++) {
    const random = seeded(seed);
    const have = drawTable(random, rich, 0);
    const want = drawTable(random, rich, 100);
    if (!holds(t, have, want, seed % 2 === 0, random)) return t.log(`seed ${seed}`);
  }
  t.pass();
});

const cased = ['a', 'A', 'b', 'B', 'ab', 'AB', 'Ab', 'c/x', 'c/X', 'c/y'];

test('drawn pairs on a disk that ignores case: a name is never taken while its other spelling is still there', (t) => {
  for (let seed = 1; seed <= 10_000; seed++) {
    const random = seeded(seed);
    const have = drawTable(random, cased, 0, { caseless: true });
    const want = drawTable(random, cased, 100, { caseless: true });
    if (!holds(t, have, want, false, random, true)) return t.log(`seed ${seed}`);
  }
  t.pass();
});
