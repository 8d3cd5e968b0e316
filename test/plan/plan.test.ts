import test from 'ava';
import type { FileRow } from '../../projections/rows.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { randomOf } from '../support/seed.ts';
import { changesBetween } from './model.ts';
import { drawTable, facts, row } from './tables.ts';

const planOf = (have: readonly FileRow[], want: readonly FileRow[], capabilities: readonly string[] = []) =>
  planChanges(changesBetween(have, want), facts(have, capabilities));

/** A plan as a person would write it down, with what each step waits for. */
const written = (have: readonly FileRow[], want: readonly FileRow[], capabilities?: readonly string[]): string[] =>
  planOf(have, want, capabilities).steps.map(({ operation, after }) =>
    [
      operation.kind,
      operation.path.replace(/tmp-\w+/, 'tmp'),
      ...(operation.to ? ['->', operation.to.replace(/tmp-\w+/, 'tmp')] : []),
      ...(operation.recursive ? ['whole'] : []),
      ...(after.length > 0 ? [`after ${after.join(',')}`] : []),
    ].join(' '),
  );

const files = (...names: string[]): FileRow[] => names.map((name, at) => row(name, at + 1));
/** The same files under other names, as later events leave them. */
const renamed = (...names: (string | null)[]): FileRow[] =>
  names.flatMap((name, at) => (name === null ? [] : [row(name, at + 1, `e${at + 1}`, 100 + at)]));

const folders = ['folders'];

test('nothing differs, nothing is planned', (t) => {
  t.deepEqual(planOf(files('a', 'b'), files('a', 'b')).steps, []);
});

test('a swap goes through one temporary name', (t) => {
  t.deepEqual(written(files('a', 'b'), renamed('b', 'a')), [
    'rename a -> .s3-sync-tmp',
    'rename b -> a after 0',
    'rename .s3-sync-tmp -> b after 0,1',
  ]);
});

test('a rotation of three goes through one temporary name', (t) => {
  t.deepEqual(written(files('a', 'b', 'c'), renamed('b', 'c', 'a')), [
    'rename a -> .s3-sync-tmp',
    'rename c -> a after 0',
    'rename b -> c after 1',
    'rename .s3-sync-tmp -> b after 0,2',
  ]);
});

test('in a ring, a file that gets new content anyway is saved and opens the ring', (t) => {
  const want = [row('b', 1, 'new', 100), row('a', 2, 'e2', 101)];
  t.deepEqual(written(files('a', 'b'), want), ['rename b -> a', 'save b after 0']);
});

test('a chain is walked from its free end', (t) => {
  t.deepEqual(written(files('a', 'b', 'c'), renamed('b', 'c', 'd')), [
    'rename c -> d',
    'rename b -> c after 0',
    'rename a -> b after 1',
  ]);
});

test('a rename onto a file that goes away replaces it, without a delete', (t) => {
  t.deepEqual(written(files('a', 'b'), renamed('b')), ['rename a -> b']);
});

test('what only changes its spelling goes through a temporary name, for disks that ignore case', (t) => {
  t.deepEqual(written(files('Readme'), renamed('README')), [
    'rename Readme -> .s3-sync-tmp',
    'rename .s3-sync-tmp -> README after 0',
  ]);
  const decomposed = 'cafe\u0301';
  t.is(written(files(decomposed), renamed('caf\u00e9')).length, 2);
  t.deepEqual(written([row('a', 1)], [row('A', 2)]), ['delete a', 'save A after 0']);
  t.deepEqual(written(files('Docs/x', 'Docs/y'), renamed('docs/x', 'docs/y'), folders), [
    'rename Docs/ -> .s3-sync-tmp/',
    'rename .s3-sync-tmp/ -> docs/ after 0',
  ]);
});

test('a file becomes a folder and back', (t) => {
  t.deepEqual(written(files('a'), renamed('a/b')), ['rename a -> .s3-sync-tmp', 'move .s3-sync-tmp -> a/b after 0']);
  t.deepEqual(written(files('a/b'), renamed('a')), ['move a/b -> .s3-sync-tmp', 'rename .s3-sync-tmp -> a after 0']);
  t.deepEqual(written([row('a', 1)], [row('a/b', 2)]), ['delete a', 'save a/b after 0']);
  t.deepEqual(written([row('a/b', 1), row('a/c', 2)], [row('a', 3)]), ['delete a/b', 'delete a/c', 'save a after 0,1']);
  t.deepEqual(written([row('a/b', 1), row('a/c', 2)], [row('a', 3)], folders), ['delete a/ whole', 'save a after 0']);
});

test('a delete that frees a path comes first, any other comes last', (t) => {
  t.deepEqual(written([row('a', 1), row('z', 2)], [row('m', 3), row('z/b', 4)]), [
    'save m',
    'delete z',
    'save z/b after 1',
    'delete a',
  ]);
});

test('delete and create of the same content is a rename, unless two files share it', (t) => {
  t.deepEqual(written([row('a', 1, 'x')], [row('b', 2, 'x')]), ['rename a -> b']);
  t.deepEqual(written([row('a', 1, 'x'), row('c', 3, 'x')], [row('b', 2, 'x')]), ['save b', 'delete a', 'delete c']);
  t.deepEqual(written([row('a', 1, 'x')], [row('b', 2, 'x'), row('c', 3, 'x')]), ['save b', 'save c', 'delete a']);
});

test('empty files, files of unknown size and files without an etag are never paired by content', (t) => {
  for (const [size, etag] of [
    [0, 'x'],
    [null, 'x'],
    [1, null],
  ] as const) {
    const went = { ...row('a', 1, etag), size };
    t.deepEqual(written([went], [{ ...row('b', 2, etag), size }]), ['save b', 'delete a']);
  }
});

test('a file that is written over in place stays readable meanwhile: it is not renamed to serve as another', (t) => {
  t.deepEqual(written([row('a', 1, 'x')], [row('a', 1, 'y', 5), row('b', 2, 'x', 6)]), ['save a', 'save b']);
  t.deepEqual(written([row('a', 1, 'x'), row('z', 2, 'y')], [row('a', 1, 'y', 5)]), ['rename z -> a']);
});

test('the same content under the same path is left alone, whatever the identity', (t) => {
  t.deepEqual(written([row('a', 1, 'x')], [row('a', 2, 'x')]), []);
  t.deepEqual(written([row('a', 1, 'x')], [row('a', 2, 'x', 5, '0600')]), ['update_permissions a']);
});

test('rename, new content and new permissions in one cycle', (t) => {
  t.deepEqual(written([row('a', 1, 'x')], [row('d/a', 1, 'y', 5)]), ['move a -> d/a', 'save d/a after 0']);
  t.deepEqual(written([row('a', 1, 'x')], [row('b', 1, 'x', 5, '0600')]), [
    'rename a -> b',
    'update_permissions b after 0',
  ]);
  const [, save] = planOf([row('a', 1, 'x')], [row('b', 1, 'y', 5, '0600')]).steps;
  t.like(save?.operation, { kind: 'save', size: 1, etag: 'y', permissions: '0600' });
});

test('an operation says what is known and nothing else', (t) => {
  const [save] = planOf([], [{ ...row('a', 1, null, 7, null), size: null }]).steps;
  t.deepEqual(Object.keys(save?.operation ?? {}), ['op_id', 'kind', 'path', 'file_id', 'from_offset', 'to_offset']);
  const [rename] = planOf(files('a'), renamed('b')).steps;
  t.deepEqual(Object.keys(rename?.operation ?? {}), [
    'op_id',
    'kind',
    'path',
    'to',
    'file_id',
    'from_offset',
    'to_offset',
  ]);
});

test('a whole folder is one operation when everything beneath goes along', (t) => {
  const have = files('d/x', 'd/e/y', 'k');
  t.deepEqual(written(have, renamed('f/x', 'f/e/y', 'k'), folders), ['rename d/ -> f/']);
  t.deepEqual(written(have, renamed('g/d/x', 'g/d/e/y', 'k'), folders), ['move d/ -> g/d/']);
  t.deepEqual(written(have, renamed(null, null, 'k'), folders), ['delete d/ whole']);
  t.deepEqual(written(have, renamed('f/x', 'f/e/y', 'k')), ['move d/e/y -> f/e/y', 'move d/x -> f/x']);
});

test('a whole folder does not move where something stays behind, or stays where it goes', (t) => {
  t.deepEqual(written(files('d/x', 'd/y', 'd/z'), renamed('f/x', 'f/y', 'd/z'), folders), [
    'move d/x -> f/x',
    'move d/y -> f/y',
  ]);
  t.deepEqual(written(files('d/x', 'd/y', 'f/z'), renamed('f/x', 'f/y', 'f/z'), folders), [
    'move d/x -> f/x',
    'move d/y -> f/y',
  ]);
});

test('what a folder holds does not move as a whole into a folder around it', (t) => {
  t.deepEqual(written(files('d/s/x', 'd/s/y'), renamed('d/x', 'd/y'), folders), [
    'move d/s/x -> d/x',
    'move d/s/y -> d/y',
  ]);
});

test('two folders that become one: the first goes as a whole, the other file by file', (t) => {
  t.deepEqual(written(files('d/x', 'd/y', 'e/v', 'e/w'), renamed('f/x', 'f/y', 'f/v', 'f/w'), folders), [
    'rename d/ -> f/',
    'move e/v -> f/v after 0',
    'move e/w -> f/w after 0',
  ]);
});

test('a whole folder does not go where another one brings a folder of that name along', (t) => {
  const have = files('d/s/x', 'd/s/y', 'e/a', 'e/b');
  t.deepEqual(written(have, renamed('f/s/x', 'f/s/y', 'f/s/a', 'f/s/b'), folders), [
    'rename d/ -> f/',
    'move e/a -> f/s/a after 0',
    'move e/b -> f/s/b after 0',
  ]);
});

test('a folder that something new is in is not deleted as a whole', (t) => {
  t.deepEqual(written(files('d/x', 'd/y'), [row('d/z', 3)], folders), ['save d/z', 'delete d/x', 'delete d/y']);
});

test('what moves out of a folder leaves before the folder moves, what is new in it comes after', (t) => {
  const want = [...renamed('f/x', 'f/y', 'z', 'f/in'), row('f/new', 9)];
  t.deepEqual(written(files('d/x', 'd/y', 'd/z', 'in'), want, folders), [
    'move d/z -> z',
    'rename d/ -> f/ after 0',
    'save f/new after 1',
    'move in -> f/in after 1',
  ]);
});

test('two whole folders that swap their names take three operations', (t) => {
  t.deepEqual(written(files('d/x', 'd/y', 'e/x', 'e/z'), renamed('e/x', 'e/y', 'd/x', 'd/z'), folders), [
    'rename d/ -> .s3-sync-tmp/',
    'rename e/ -> d/ after 0',
    'rename .s3-sync-tmp/ -> e/ after 0,1',
  ]);
});

test('a folder of its own is renamed only with all that is in it, otherwise made anew', (t) => {
  t.deepEqual(written(files('d/', 'd/x'), renamed('e/', 'e/x'), folders), ['rename d/ -> e/']);
  t.deepEqual(written(files('d/', 'd/x'), renamed('e/', 'd/x'), folders), ['save e/', 'delete d/']);
  t.deepEqual(written(files('d/', 'd/x'), renamed(null, 'd/x'), folders), ['delete d/']);
});

test('permissions of a folder are set with those of all beneath it, or not at all', (t) => {
  const have = files('d/', 'd/x', 'd/y');
  const all = have.map((file) => ({ ...file, permissions: '0700', offset: 50 }));
  t.deepEqual(written(have, all), ['update_permissions d/']);
  const alone = planOf(have, [all[0] as FileRow, ...have.slice(1)]);
  t.deepEqual(alone.steps, []);
  t.deepEqual(
    alone.unplaceable.map(({ path }) => path),
    ['d/'],
  );
});

test('permissions of a folder alone are set where the file manager can, beside those of a file in it', (t) => {
  const have = files('d/', 'd/x', 'd/y');
  const want = have.map((file, at) => ({
    ...file,
    permissions: ['0700', '0600', null][at] as string,
    offset: 50 + at,
  }));
  const plan = planOf(have, want, ['folders', 'folder-permissions']);
  t.deepEqual(plan.unplaceable, []);
  t.deepEqual(
    plan.steps.map(({ operation: { kind, path, permissions, recursive } }) => [kind, path, permissions, recursive]),
    [
      ['update_permissions', 'd/', '0700', false],
      ['update_permissions', 'd/x', '0600', undefined],
    ],
  );
});

test('permissions of a folder that moves are set at its new place in the same plan', (t) => {
  const permitted = (stated: string, ...names: string[]): FileRow[] =>
    renamed(...names).map((file) => ({ ...file, permissions: file.path.endsWith('/') ? stated : '0644' }));
  const both = ['folders', 'folder-permissions'];
  t.deepEqual(written(files('d/'), permitted('0700', 'e/'), folders), [
    'rename d/ -> e/',
    'update_permissions e/ after 0',
  ]);
  const within = [files('d/f', 'd/sub/', 'd/sub/x'), permitted('0700', 'e/f', 'e/sub/', 'e/sub/x')] as const;
  t.deepEqual(written(...within, both), ['rename d/ -> e/', 'update_permissions e/sub/ after 0']);
  t.false(planOf(...within, both).steps[1]?.operation.recursive);
  // Not those of all beneath, where a file there keeps its own.
  t.deepEqual(written(...within, folders), ['rename d/ -> e/']);
  t.deepEqual(
    planOf(...within, folders).unplaceable.map(({ path }) => path),
    ['e/sub/'],
  );
  const all = within[1].map((file) => ({ ...file, permissions: '0700' }));
  t.deepEqual(written(within[0], all, folders), [
    'rename d/ -> e/',
    'update_permissions e/f after 0',
    'update_permissions e/sub/ after 0',
  ]);
});

test('a file beside a folder of its name gives way and is reported, and everything else goes on', (t) => {
  const plan = planOf([row('a', 1, 'x')], [row('a', 1, 'x', 5, '0600'), row('a/b', 2, 'y'), row('c', 3)]);
  t.deepEqual(
    plan.steps.map(({ operation }) => `${operation.kind} ${operation.path}`),
    ['delete a', 'save a/b', 'save c'],
  );
  t.deepEqual(
    plan.unplaceable.map(({ path }) => path),
    ['a'],
  );
});

test('the same transition has the same id, the way back another', (t) => {
  const idOf = (have: FileRow[], want: FileRow[]) => planOf(have, want).steps[0]?.operation.op_id;
  const forth = idOf([row('a', 1, 'x', 1)], [row('a', 1, 'y', 2)]);
  t.is(forth, idOf([row('a', 1, 'x', 1)], [row('a', 1, 'y', 2)]));
  t.not(forth, idOf([row('a', 1, 'x', 3)], [row('a', 1, 'y', 4)]));
});

test('rows that differ in nothing but identity and time change no plan: a full diff plans what a small one does', (t) => {
  const have = [row('a', 1, 'x'), row('k', 3, 'z')];
  const want = [row('a', 5, 'x', 7), row('b', 1, 'x', 6), row('k', 3, 'z')];
  const full = planChanges(
    [
      { path: 'a', have: have[0] as FileRow, want: want[0] as FileRow },
      { path: 'b', have: null, want: want[1] as FileRow },
    ],
    facts(have, folders),
  );
  t.deepEqual(full, planOf(have, want, folders));
});

test('the plan and its id depend on the changes, not on the order they come in', (t) => {
  const paths = ['a', 'b', 'd/x', 'd/y', 'e/x', '\ud83d\ude00', '\uffee', 'A'];
  for (let seed = 1; seed <= 500; seed++) {
    const random = randomOf(seed);
    const have = drawTable(random, paths, 0);
    const changes = changesBetween(have, drawTable(random, paths, 100));
    const shuffled = [...changes].sort(() => random() - 0.5);
    t.deepEqual(
      planChanges(shuffled, facts(have, folders)),
      planChanges(changes, facts(have, folders)),
      `seed ${seed}`,
    );
  }
});

test('steps come in the order of the UTF-8 bytes of their paths where nothing else decides', (t) => {
  t.deepEqual(written([], [row('\ud83d\ude00', 1), row('\uffee', 2), row('a', 3)]), [
    'save a',
    'save \uffee',
    'save \ud83d\ude00',
  ]);
});

test('nothing is saved again that a rename brings', (t) => {
  const paths = ['a', 'b', 'c', 'd/x', 'd/y', 'e/x', 'e/y'];
  for (let seed = 1; seed <= 2_000; seed++) {
    const random = randomOf(seed);
    const have = drawTable(random, paths, 0);
    const want = drawTable(random, paths, 100).filter(({ etag }) => etag?.startsWith('e'));
    const known = new Map(have.map((file) => [file.file_id, file]));
    for (const { operation } of planOf(have, want, folders).steps) {
      if (operation.kind !== 'save') continue;
      const before = known.get(operation.file_id);
      t.false(before !== undefined && before.etag === operation.etag, `seed ${seed}: ${operation.path} is there`);
    }
  }
});
