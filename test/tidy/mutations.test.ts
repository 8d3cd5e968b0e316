import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { mutations } from '../../scripts/mutations/list.ts';

const root = join(import.meta.dirname, '../..');

test('there are at least 25 mutations, each with a name of its own', (t) => {
  t.true(new Set(mutations.map(({ name }) => name)).size >= 25);
  t.is(new Set(mutations.map(({ name }) => name)).size, mutations.length);
});

test('each mutation finds its text and its tests: reword scripts/mutations/list.ts together with the code', (t) => {
  for (const { name, file, find, replace, tests } of mutations) {
    t.true(existsSync(join(root, file)) && readFileSync(join(root, file), 'utf8').includes(find), `${name}: ${file}`);
    t.not(find, replace, name);
    for (const guard of tests) t.true(existsSync(join(root, guard)), `${name}: ${guard}`);
  }
});
