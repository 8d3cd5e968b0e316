import test from 'ava';
import type { FileRow } from '../../projections/rows.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { admissibleOrder, carryOut, changesBetween, diskOf, seeded } from './model.ts';

const row = (
  path: string,
  file_id: number,
  etag: string,
  offset = file_id,
  permissions: string | null = '0644',
): FileRow => ({
  path,
  file_id,
  key: null,
  size: 1,
  etag,
  permissions,
  modified_at: '2026-01-01T00:00:00Z',
  offset,
});

const under = (rows: readonly FileRow[]) => (folder: string) =>
  rows.filter(({ path }) => path.startsWith(folder)).length;

const options = (have: readonly FileRow[], want: readonly FileRow[]) => ({
  capabilities: ['folders'],
  filesUnder: under(have),
  wantsUnder: (folder: string) => under(want)(folder) > 0,
});

const summary = (have: readonly FileRow[], want: readonly FileRow[], folders = false): string[] =>
  planChanges(changesBetween(have, want), folders ? options(have, want) : {}).steps.map(({ operation, after }) =>
    [
      operation.kind,
      operation.path.replace(/tmp-\w+/, 'tmp'),
      ...(operation.to ? ['->', operation.to.replace(/tmp-\w+/, 'tmp')] : []),
      ...(after.length > 0 ? [`after ${after.join(',')}`] : []),
    ].join(' '),
  );

/** Every table over a few paths that a disk can hold, each file one of a few identities. */
const tables = (paths: readonly string[], identities: number): FileRow[][] => {
  const all: FileRow[][] = [];
  const extend = (at: number, rows: FileRow[]): void => {
    if (at === paths.length) {
      all.push(rows);
      return;
    }
    const path = paths[at] as string;
    extend(at + 1, rows);
    if (rows.some((other) => other.path.startsWith(`${path}/`) || path.startsWith(`${other.path}/`))) return;
    for (let id = 1; id <= identities; id++) {
      if (!rows.some((other) => other.file_id === id)) extend(at + 1, [...rows, row(path, id, `e${id}`)]);
    }
  };
  extend(0, []);
  return all;
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
        const plan = planChanges(changesBetween(have, changed), folders ? options(have, changed) : {});
        const disk = diskOf(have);
        try {
          for (const step of admissibleOrder(plan, random)) carryOut(disk, step);
        } catch (error) {
          t.fail(`${JSON.stringify({ have, changed, steps: plan.steps })}: ${String(error)}`);
          return;
        }
        if (JSON.stringify([...disk].sort()) !== JSON.stringify([...diskOf(changed)].sort())) {
          t.deepEqual(disk, diskOf(changed), JSON.stringify({ have, changed, steps: plan.steps }));
          return;
        }
      }
    }
    t.true(pairs > 10_000, `${pairs} pairs`);
  });
}

test('a swap goes through one temporary name', (t) => {
  t.deepEqual(summary([row('a', 1, 'x'), row('b', 2, 'y')], [row('b', 1, 'x', 3), row('a', 2, 'y', 4)]), [
    'rename a -> .s3-sync-tmp',
    'rename b -> a after 0',
    'rename .s3-sync-tmp -> b after 0,1',
  ]);
});

test('a chain is walked from its free end', (t) => {
  t.deepEqual(
    summary(
      [row('a', 1, 'x'), row('b', 2, 'y'), row('c', 3, 'z')],
      [row('b', 1, 'x', 4), row('c', 2, 'y', 5), row('d', 3, 'z', 6)],
    ),
    ['rename c -> d', 'rename b -> c after 0', 'rename a -> b after 1'],
  );
});

test('delete and create of the same content is a rename, unless two files share it', (t) => {
  t.deepEqual(summary([row('a', 1, 'x')], [row('b', 2, 'x')]), ['rename a -> b']);
  t.deepEqual(summary([row('a', 1, 'x'), row('c', 3, 'x')], [row('b', 2, 'x')]), ['save b', 'delete a', 'delete c']);
  const empty = { ...row('a', 1, 'x'), size: 0 };
  t.deepEqual(summary([empty], [{ ...row('b', 2, 'x'), size: 0 }]), ['save b', 'delete a']);
});

test('rename, new content and new permissions in one cycle', (t) => {
  t.deepEqual(summary([row('a', 1, 'x')], [row('d/a', 1, 'y', 5)]), ['move a -> d/a', 'save d/a after 0']);
  t.deepEqual(summary([row('a', 1, 'x')], [row('b', 1, 'x', 5, '0600')]), [
    'rename a -> b',
    'update_permissions b after 0',
  ]);
});

test('a whole folder is one operation when everything beneath goes along', (t) => {
  const have = [row('d/x', 1, 'x'), row('d/e/y', 2, 'y'), row('k', 3, 'z')];
  const want = [row('f/x', 1, 'x', 4), row('f/e/y', 2, 'y', 4), row('k', 3, 'z')];
  t.deepEqual(summary(have, want, true), ['rename d/ -> f/']);
  t.deepEqual(summary(have, [row('k', 3, 'z')], true), ['delete d/']);
  t.deepEqual(summary(have, [...want.slice(0, 1), row('k', 3, 'z')], true), ['move d/x -> f/x', 'delete d/e/y']);
});

test('a file beside a folder of its name is reported, and everything else goes on', (t) => {
  const plan = planChanges(changesBetween([row('a', 1, 'x')], [row('a', 1, 'x', 5, '0600'), row('a/b', 2, 'y')]));
  t.deepEqual(
    plan.steps.map(({ operation }) => `${operation.kind} ${operation.path}`),
    ['delete a', 'save a/b'],
  );
  t.deepEqual(
    plan.unplaceable.map(({ path }) => path),
    ['a'],
  );
});

test('the same transition has the same id, the way back another', (t) => {
  const idOf = (have: FileRow[], want: FileRow[]) => planChanges(changesBetween(have, want)).steps[0]?.operation.op_id;
  const forth = idOf([row('a', 1, 'x', 1)], [row('a', 1, 'y', 2)]);
  t.is(forth, idOf([row('a', 1, 'x', 1)], [row('a', 1, 'y', 2)]));
  t.not(forth, idOf([row('a', 1, 'x', 3)], [row('a', 1, 'y', 4)]));
});
