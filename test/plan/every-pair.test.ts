import test from 'ava';
import { randomOf } from '../support/seed.ts';
import { planHolds } from './check.ts';
import { drawTable, tables } from './tables.ts';

for (const capabilities of [[], ['folders']]) {
  const withFolders = capabilities.length > 0;
  test(`every pair of small trees${withFolders ? ', with whole folders' : ''}: the plan turns one into the other in any admissible order`, (t) => {
    const random = randomOf(7);
    const small = tables(['a', 'a/x', 'b', 'd/x', 'd/y', 'e/x'], 3);
    let pairs = 0;
    for (const have of small) {
      for (const want of small) {
        // Half of the pairs is enough for a run of seconds, and every pair comes up in one of two runs.
        if ((pairs++ + (withFolders ? 1 : 0)) % 2 === 0) continue;
        const changed = want.map((file) =>
          file.file_id === 2 ? { ...file, etag: 'changed', offset: 9 } : { ...file, offset: 9 },
        );
        if (!planHolds(t, have, changed, { capabilities, random })) return;
      }
    }
    t.true(pairs > 10_000, `${pairs} pairs`);
  });
}

const rich = [
  ...['a', 'a/', 'a/b', 'a/b/', 'a/b/x', 'a/b/y', 'a/c', 'd', 'd/', 'd/b/', 'd/b/x', 'd/b/y', 'd/c'],
  ...['e/b/x', 'e/b/y', 'e/c', 'x', 'y'],
];

test('drawn pairs with folders of their own, contents that repeat and permissions: the plan turns one into the other', (t) => {
  for (let seed = 1; seed <= 20_000; seed++) {
    const random = randomOf(seed);
    const have = drawTable(random, rich, 0);
    const want = drawTable(random, rich, 100);
    const capabilities = [[], ['folders'], ['folders', 'folder-permissions']][seed % 3] as string[];
    if (!planHolds(t, have, want, { capabilities, random })) return t.log(`seed ${seed}`);
  }
  t.pass();
});

const cased = ['a', 'A', 'b', 'B', 'ab', 'AB', 'Ab', 'c/x', 'c/X', 'c/y'];

test('drawn pairs on a disk that ignores case: a name is never taken while its other spelling is still there', (t) => {
  for (let seed = 1; seed <= 10_000; seed++) {
    const random = randomOf(seed);
    const have = drawTable(random, cased, 0, { caseless: true });
    const want = drawTable(random, cased, 100, { caseless: true });
    if (!planHolds(t, have, want, { capabilities: [], random, ignoresCase: true })) return t.log(`seed ${seed}`);
  }
  t.pass();
});
