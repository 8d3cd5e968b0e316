import test from 'ava';
import { createFilePlaces } from '../../src/plan/hash-set.ts';

test('a file is at one place only while it stands once, also after the tables have grown', (t) => {
  const files = createFilePlaces();
  for (let id = 0; id < 5_000; id++) files.add(id, id * 10);
  for (let id = 0; id < 5_000; id += 3) files.add(id, 7);
  files.add(9_999, undefined);
  for (let id = 0; id < 5_000; id++) t.is(files.onlyOf(id), id % 3 === 0 ? undefined : id * 10);
  t.true(files.has(9_999));
  t.is(files.onlyOf(9_999), undefined);
  t.false(files.has(5_000));
});
