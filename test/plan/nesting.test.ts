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

test('a path beneath a name is found where either is watched, whatever comes between them', (t) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  let found = 0;
  for (let run = 0; run < 1_000; run += 1) {
    const name = (): string =>
      Array.from({ length: 1 + Math.floor(random() * 4) }, () => '-/ab'[Math.floor(random() * 4)]).join('');
    const paths = [...new Set(Array.from({ length: 12 }, name))].sort(comparePaths);
    const watched = new Set(paths.filter(() => random() < 0.5));
    const nesting = createNesting();
    for (const path of paths) {
      const wanted = paths.some((other) => path.startsWith(`${other}/`) && (watched.has(other) || watched.has(path)));
      found += wanted ? 1 : 0;
      if (nesting.add(entryOf(path), watched.has(path)) !== wanted) t.fail(`${path} of ${paths}, SEED=${seed}`);
    }
  }
  t.true(found > 100);
});

test('a path longer than any before is kept whole', (t) => {
  const nesting = createNesting();
  const long = 'x'.repeat(5_000);
  t.false(nesting.add(entryOf('a'), true));
  t.false(nesting.add(entryOf(long), true));
  t.true(nesting.add(entryOf(`${long}/y`), false));
});
