import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readmeWith } from '../../scripts/docs.ts';
import { catalogue, nameOf } from '../../src/commands/catalogue.ts';
import { envExample } from '../../src/config/config.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const documents = [
  'README.md',
  'ARCHITECTURE.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

test("the README's settings and .env.example are those of the code (npm run docs writes them)", (t) => {
  t.is(read('README.md'), readmeWith(read('README.md')));
  t.is(read('.env.example'), envExample());
});

test('every command is in the README, and every command of the documents exists', (t) => {
  const readme = read('README.md');
  const names = new Set(catalogue.map(nameOf));
  for (const name of names) {
    const [first = '', second] = name.split(' ');
    t.true(
      second ? readme.includes(`\`${second}\``) || readme.includes(`\`${name}\``) : readme.includes(`\`${first}`),
      name,
    );
  }
  const groups = new Set(catalogue.flatMap(({ group }) => group ?? []));
  for (const path of documents) {
    for (const [, first = '', second = ''] of read(path).matchAll(
      /(?:\.\/sync_cli\.sh|s3-sync) ([a-z][a-z-]+) ?([a-z]*)/g,
    ))
      t.true(names.has(first) || (groups.has(first) && names.has(`${first} ${second}`)), `${path}: ${first} ${second}`);
  }
});

test('every make target of the documents exists', (t) => {
  const targets = new Set([...read('Makefile').matchAll(/^([a-z][a-z-]*):/gm)].map(([, name]) => name));
  for (const path of documents)
    for (const [, target] of read(path).matchAll(/`make ([a-z][a-z-]*)/g))
      t.true(targets.has(target), `${path}: ${target}`);
});

test('every file and folder that the documents name exists', (t) => {
  for (const path of documents) {
    for (const [, name = ''] of read(path).matchAll(
      /`((?:bench|docs|events|fixtures|localstack|projections|scripts|src|test)\/[\w./-]*)`/g,
    ))
      t.true(existsSync(join(root, name)), `${path}: ${name}`);
    for (const [, link = ''] of read(path).matchAll(/\]\((?!https?:|#)([^)#]+)/g))
      t.true(existsSync(join(root, path, '..', link)), `${path}: ${link}`);
  }
});

test('each invariant names a test that guards it', (t) => {
  const rows = read('ARCHITECTURE.md')
    .split('\n')
    .filter((line) => /^\| \d+ \|/.test(line));
  t.deepEqual(
    rows.map((row) => Number(row.split('|')[1])),
    Array.from({ length: 12 }, (_, index) => index + 1),
  );
  for (const row of rows) t.regex(row.split('|')[4] ?? '', /`test\/[\w/-]+\.test\.ts`/, row);
});
