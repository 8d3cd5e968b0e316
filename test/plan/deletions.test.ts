import test from 'ava';
import type { FileRow } from '../../projections/rows.ts';
import type { Change, Operation, Plan } from '../../src/plan/operation.ts';
import { withId } from '../../src/plan/operation-id.ts';
import { deletionsOf } from '../../src/plan/undo.ts';
import { row } from './tables.ts';

const goes = (have: FileRow): Change => ({ path: have.path, have, want: null });

const planOf = (...operations: (Pick<Operation, 'kind' | 'path'> & Partial<Operation>)[]): Plan => ({
  id: '0',
  steps: operations.map((given) => ({
    operation: withId({ file_id: 1, from_offset: 1, to_offset: 0, ...given }),
    after: [],
    why: 'a test wants it',
    result: null,
  })),
  unplaceable: [],
});

const rowsOf = (plan: Plan, paths: readonly string[]): Record<string, string[]> =>
  Object.fromEntries(
    deletionsOf(
      plan,
      paths.map((path, at) => goes(row(path, at + 1))),
    ).map(({ path, rows }) => [path, rows.map((one) => one.path)]),
  );

test('a deletion has the rows that go with it, and none that a rename takes out before', (t) => {
  const paths = ['a', 'a.b', 'd/', 'd/e/', 'd/e/f', 'd/g', 'd/gone', 'd/m/', 'd/m/n', 'da', 'm/', 'm/x'];
  t.deepEqual(
    rowsOf(
      planOf(
        { kind: 'delete', path: 'a' },
        { kind: 'rename', path: 'd/gone', to: 'kept' },
        { kind: 'move', path: 'd/m/', to: 'z/m/' },
        { kind: 'delete', path: 'd/', recursive: true },
        { kind: 'delete', path: 'm/' },
        { kind: 'delete', path: 'nothing/', recursive: true },
      ),
      paths,
    ),
    { a: ['a'], 'd/': ['d/', 'd/e/', 'd/e/f', 'd/g'], 'm/': ['m/'], 'nothing/': [] },
  );
});

test('what is deleted within a folder that moves has its rows, and the folder none', (t) => {
  t.deepEqual(
    rowsOf(
      planOf(
        { kind: 'delete', path: 'd/e/', recursive: true },
        { kind: 'delete', path: 'd/x' },
        { kind: 'rename', path: 'd/', to: 'f/' },
      ),
      ['d/', 'd/e/', 'd/e/1', 'd/e/2', 'd/g', 'd/x'],
    ),
    { 'd/e/': ['d/e/', 'd/e/1', 'd/e/2'], 'd/x': ['d/x'] },
  );
});

test('a plan that deletes many folders is looked at once, and not once for each folder', (t) => {
  const folders = Array.from({ length: 300 }, (_, at) => `d${at}/`);
  let reads = 0;
  const changes = folders.flatMap((folder) =>
    Array.from({ length: 10 }, (_, at): Change => {
      const { path, ...rest } = row(`${folder}${at}`, at + 1);
      const have: FileRow = {
        ...rest,
        get path() {
          reads += 1;
          return path;
        },
      };
      return { path, have, want: null };
    }),
  );
  const plan = planOf(
    ...folders.map((path) => ({ kind: 'delete' as const, path, recursive: true })),
    ...folders.map((path) => ({ kind: 'move' as const, path: `other/${path}`, to: `else/${path}` })),
  );
  const deletions = deletionsOf(plan, changes);
  t.true(deletions.every(({ rows }) => rows.length === 10));
  t.true(reads <= 10 * changes.length, `${reads} looks at ${changes.length} rows`);
});
