import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { stringify } from 'csv/sync';
import { columns, type FileRow } from '../../projections/rows.ts';
import { besideIn } from '../../src/diff/beside.ts';
import { mergeSnapshots } from '../../src/diff/diff.ts';
import type { Operation, Plan } from '../../src/plan/operation.ts';
import { comparePaths } from '../../src/plan/paths.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { type DiffPlan, type DiffSource, planDiff, unchangedBeneath } from '../../src/plan/plan-diff.ts';
import { freshFolder } from '../support/folder.ts';
import { randomOf, seedOf } from '../support/seed.ts';
import { changesBetween } from './model.ts';
import { drawTable, row } from './tables.ts';

const folder = await freshFolder();
const [oldPath, newPath] = [join(folder, 'old.csv'), join(folder, 'new.csv')];

const csv = (rows: readonly FileRow[]): string =>
  stringify(
    [...rows].sort((a, b) => comparePaths(a.path, b.path)),
    { header: true, columns: [...columns], record_delimiter: '\n', quoted_match: /\r/ },
  );

/** The lines of a diff, and what the planner makes of all changes at once: the oracle. */
const planned = async (old: readonly FileRow[], now: readonly FileRow[], looksUp = false) => {
  writeFileSync(oldPath, csv(old));
  writeFileSync(newPath, csv(now));
  let printed = '';
  const source: DiffSource = {
    walk: (onPair, onDoubt) => mergeSnapshots(oldPath, newPath, onPair, onDoubt),
    rowsOf: looksUp ? besideIn(oldPath, newPath) : () => [],
  };
  const diff = await planDiff(source, {
    print: (text) => {
      printed += Buffer.from(text).toString();
    },
    isPrinted: () => true,
  });
  const lines = printed.split('\n').slice(0, -1);
  const beside = looksUp ? old.filter(({ path }) => now.some((one) => one.path === path)) : [];
  return {
    diff,
    lines,
    counted: await planDiff(source),
    plan: planChanges(changesBetween(old, now), { ...unchangedBeneath, beside }),
  };
};

/** What comes too early among the lines, by the steps that each one waits for. */
const tooEarly = (lines: readonly string[], { steps }: Plan): string[] => {
  const at = new Map(lines.map((line, index) => [line, index]));
  const indexOf = (operation: Operation | undefined): number => at.get(JSON.stringify(operation)) ?? Number.NaN;
  return steps
    .filter(({ operation, after }) => after.some((on) => !(indexOf(steps[on]?.operation) < indexOf(operation))))
    .map(({ operation }) => operation.path);
};

const countsOf = (lines: readonly string[]): DiffPlan['counts'] => {
  const counts = { save: 0, delete: 0, rename: 0, move: 0, update_permissions: 0, operations: lines.length };
  for (const line of lines) counts[(JSON.parse(line) as Operation).kind] += 1;
  return counts;
};

/** Renames and moves, in their order. */
const movesOf = (lines: readonly string[]): string =>
  lines.filter((line) => /"kind":"(rename|move)"/.test(line)).join('\n');

/** What differs from the oracle; undefined where nothing does. */
const mistake = ({ diff, lines, counted, plan }: Awaited<ReturnType<typeof planned>>): object | undefined => {
  const whole = plan.steps.map(({ operation }) => JSON.stringify(operation));
  const [found, wanted] = [[...lines].sort().join('\n'), whole.sort().join('\n')];
  if (found !== wanted) return { found, wanted };
  const early = tooEarly(lines, plan);
  if (early.length > 0) return { early };
  const moves = [movesOf(lines), movesOf(plan.steps.map(({ operation }) => JSON.stringify(operation)))];
  if (moves[0] !== moves[1]) return { moves };
  const counts = JSON.stringify(countsOf(lines));
  if (JSON.stringify(diff.counts) !== counts || JSON.stringify(counted.counts) !== counts)
    return { counts, diff: diff.counts, counted: counted.counts };
  return JSON.stringify(diff.unplaceable) === JSON.stringify(plan.unplaceable) ? undefined : diff.unplaceable;
};

/** Sometimes one file id stands twice, which no rename may be taken for. */
const withTwins = (rows: readonly FileRow[], random: () => number): readonly FileRow[] =>
  rows.map((one, at) => (at > 0 && random() < 0.05 ? { ...one, file_id: rows[at - 1]?.file_id as number } : one));

test.serial('a diff is planned from its records with the same operations as all at once', async (t) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  const paths = ['A', 'a', 'a/', 'a/b', 'a/c/d', 'a-b', 'b', 'b/x', 'c', 'd/', 'd/e', 'd/F', 'd/f', 'é', 'z'];
  // Paths whose records are quoted, or whose lines need escapes, or begin with dots.
  const odd = ['"', 'a\\b', 'a,b', 'a/.b', 'a/..c', 'a\nb', 'É', '\u{1f600}', 'ﾮ', 'a b'];
  for (let run = 0; run < 4_000; run += 1) {
    const known = run % 3 === 0 ? [...paths, ...odd] : run % 3 === 1 ? paths : [...odd, 'b', 'c', 'd'];
    // A bucket holds a file beside a folder of its name, and so may a snapshot.
    const nested = run % 4 === 0;
    const [old, now] = [drawTable(random, known, 0, { nested }), drawTable(random, known, 200, { nested })];
    const found = mistake(await planned(withTwins(old, random), withTwins(now, random)));
    if (found) t.deepEqual(found, {}, `SEED=${seed}`);
  }
  t.pass();
});

test.serial('a diff sees what did not change where something comes beneath its name, or around it', async (t) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  const paths = [
    'a',
    'a!',
    'a-b',
    'a/',
    'a/b',
    'a/b-',
    'a/b.c/d',
    'a/b/',
    'a/b/c',
    'a/c',
    'b',
    'b/x',
    '"',
    '"/x',
    'é',
    'é/x',
  ];
  // More than are looked at where they stand.
  const many = Array.from({ length: 12 }, (_, at) => `b-${at}`);
  let reported = 0;
  for (let run = 0; run < 1_200; run += 1) {
    // A disk holds the old one; whatever of it did not change stands in the new one as it was.
    const old = drawTable(random, run % 3 === 0 ? [...paths, ...many] : paths, 0);
    const stays = new Map(old.filter(() => random() < 0.6).map((one) => [one.path, one]));
    const drawn = drawTable(random, paths, 200, { nested: true }).filter(({ path }) => !stays.has(path));
    const made = await planned(old, [...stays.values(), ...drawn], true);
    const found = mistake(made);
    if (found) t.deepEqual(found, {}, `SEED=${seed}`);
    reported += made.diff.unplaceable.length;
  }
  t.true(reported > 100, `${reported} files beside a folder of their name`);
});

test.serial('a file that comes beneath the name of an unchanged one takes its place', async (t) => {
  const beneath = await planned([row('a', 1)], [row('a', 1), row('a/b', 2)], true);
  t.deepEqual(
    beneath.lines.map((line) => (JSON.parse(line) as Operation).kind),
    ['delete', 'save'],
  );
  t.deepEqual(
    beneath.diff.unplaceable.map(({ path }) => path),
    ['a'],
  );
  for (const inside of ['x/', 'x/y']) {
    const around = await planned([row(inside, 1)], [row('x', 2), row(inside, 1)], true);
    t.deepEqual(around.lines, []);
    t.deepEqual(
      around.diff.unplaceable.map(({ path }) => path),
      ['x'],
    );
  }
});

test.serial('a diff sets the permissions of a folder alone: what did not change beneath keeps its own', async (t) => {
  const old = [row('d/', 1), row('d/x', 2)];
  const { lines } = await planned(old, [row('d/', 1, null, 5, '0700'), row('d/x', 2)]);
  t.like(JSON.parse(lines[0] ?? '{}'), { kind: 'update_permissions', path: 'd/', recursive: false });
  t.is(lines.length, 1);
});

test.serial('a file that changes in place gives way to a folder of its name', async (t) => {
  const old = [row('k', 1), row('k/b', 2)];
  for (const now of [
    [row('k', 1, 'new', 3), row('k/', 4)],
    [row('k', 1, 'new', 3), row('k/b', 2, 'new', 4)],
  ]) {
    const made = await planned(old.slice(0, now[1]?.path === 'k/' ? 1 : 2), now);
    t.is(mistake(made), undefined);
    t.deepEqual(
      made.diff.unplaceable.map(({ path }) => path),
      ['k'],
    );
  }
});

test.serial('content that stays in place is not overlooked where a rename could bring it', async (t) => {
  const old = [row('gone', 1, 'same'), row('kept', 2, 'old')];
  const { lines, plan } = await planned(old, [row('kept', 2, 'same', 9)]);
  t.deepEqual(
    lines,
    plan.steps.map(({ operation }) => JSON.stringify(operation)),
  );
});

test.serial('a rename is told from new content by the time where nobody stated an etag', async (t) => {
  const later = { ...row('b', 1, null, 9), modified_at: '2026-01-02T00:00:00Z' };
  const { lines, plan } = await planned([row('a', 1, null), row('c', 2, null)], [later, row('d', 2, null, 9)]);
  const whole = plan.steps.map(({ operation }) => JSON.stringify(operation));
  t.deepEqual([...lines].sort(), [...whole].sort());
  t.is(lines.length, 3);
});

test.serial(
  'a diff of more records than one block of lines holds is printed whole, in the order of the paths',
  async (t) => {
    const old = Array.from({ length: 5_000 }, (_, at) => row(`f/${String(at).padStart(6, '0')}`, at + 1));
    const now = old.map((one, at) =>
      at % 100 === 1 ? { ...one, path: `g/${'é'.repeat(400)}${at}` } : { ...one, etag: 'x' },
    );
    const { lines, plan, diff } = await planned(old, now);
    t.deepEqual(diff.counts, { save: 4_950, delete: 0, rename: 0, move: 50, update_permissions: 0, operations: 5_000 });
    const whole = plan.steps.map(({ operation }) => JSON.stringify(operation));
    const moves = (line: string): boolean => line.includes('"move"');
    t.deepEqual(lines, [...whole.filter((line) => !moves(line)), ...whole.filter(moves)]);
  },
);
