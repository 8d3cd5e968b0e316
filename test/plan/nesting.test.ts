import test from 'ava';
import { viewOf } from '../../projections/four-bytes.ts';
import { createEntry, type Entry } from '../../src/diff/entry.ts';
import { createNesting } from '../../src/plan/nesting.ts';
import { comparePaths } from '../../src/plan/paths.ts';
import { randomOf, seedOf } from '../support/seed.ts';

const entryOf = (text: string): Entry => {
  const path = viewOf(Buffer.from(`#${text}`));
  return { ...createEntry(), path, pathFrom: 1, pathTo: path.byteLength };
};

test('a path beneath a name of the other kind is found, whatever comes between them', (t) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  let found = 0;
  for (let run = 0; run < 1_000; run += 1) {
    const name = (): string =>
      Array.from({ length: 1 + Math.floor(random() * 4) }, () => '-/ab'[Math.floor(random() * 4)]).join('');
    const paths = [...new Set(Array.from({ length: 12 }, name))].sort(comparePaths);
    const kinds = new Map(paths.map((path) => [path, Math.floor(random() * 2)]));
    const nesting = createNesting();
    for (const path of paths) {
      const wanted = paths.some((other) => path.startsWith(`${other}/`) && kinds.get(other) !== kinds.get(path));
      found += wanted ? 1 : 0;
      if (nesting.add(entryOf(path), kinds.get(path) as number) !== wanted) t.fail(`${path} of ${paths}, SEED=${seed}`);
    }
  }
  t.true(found > 100);
});

test('a path longer than any before is kept whole', (t) => {
  const nesting = createNesting();
  const long = 'x'.repeat(5_000);
  t.false(nesting.add(entryOf('a'), 0));
  t.false(nesting.add(entryOf(long), 0));
  t.true(nesting.add(entryOf(`${long}/y`), 1));
});
