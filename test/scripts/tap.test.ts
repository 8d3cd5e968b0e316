import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { canary } from '../../scripts/canary.ts';
import { addTapLine, readTapLine } from '../../scripts/tap.ts';

const root = join(import.meta.dirname, '..', '..');

const count = (tap: string) =>
  tap.split('\n').map(readTapLine).reduce(addTapLine, { passed: 0, failed: 0, skipped: 0 });

test('skipped tests count neither as passed nor as failed, and tests that never ended count as failed', (t) => {
  const tap = [
    'TAP version 13',
    'ok 1 - fine',
    'ok 2 - not here # SKIP',
    'not ok 3 - wrong',
    '  ---',
    '    message: ok 4 - a message is no result',
    '# 2 tests remaining in test/a.test.ts',
    '1..5',
    '# pass 9',
  ].join('\n');
  t.deepEqual(count(tap), { passed: 1, failed: 3, skipped: 1 });
});

/** Runs the real runner over a project of its own, with these test files. */
const runIn = (t: { teardown(run: () => void): void }, files: Record<string, string>) => {
  const project = mkdtempSync(join(tmpdir(), 's3-sync-runner-'));
  t.teardown(() => rmSync(project, { recursive: true, force: true }));
  mkdirSync(join(project, 'scripts/mutations'), { recursive: true });
  for (const name of ['run-tests.ts', 'mutations.ts', 'guard.ts', 'canary.ts', 'tap.ts']) {
    writeFileSync(join(project, 'scripts', name), readFileSync(join(root, 'scripts', name)));
  }
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'));
  const base = {
    'package.json': JSON.stringify({ type: 'module', ava: { files: ['*.test.js'] } }),
    'tsconfig.json': JSON.stringify({ compilerOptions: { strict: true, types: [] }, files: ['a.ts'] }),
    'biome.json': '{ "files": { "includes": ["a.ts"] } }\n',
    'a.ts': 'export const a: number = 1;\n',
    'scripts/mutations/list.ts': 'export const mutations = [];\n',
  };
  for (const [name, text] of Object.entries({ ...base, ...files })) {
    mkdirSync(dirname(join(project, name)), { recursive: true });
    writeFileSync(join(project, name), text);
  }
  const env = { ...process.env, NODE_OPTIONS: '' };
  spawnSync('git', ['init', '--quiet', project]);
  const { stdout, status } = spawnSync(process.execPath, [join(project, 'scripts', 'run-tests.ts')], {
    encoding: 'utf8',
    cwd: project,
    env,
    timeout: 120_000,
  });
  return { status, last: stdout.trimEnd().split('\n').at(-1), stdout };
};

const passing = "import test from 'ava';\ntest('one', (t) => t.pass());\ntest('two', (t) => t.pass());\n";

test('the runner ends with the real counts and exit code 0', (t) => {
  const run = runIn(t, { 'a.test.js': passing });
  t.deepEqual([run.status, run.last], [0, '2 passed, 0 failed'], run.stdout);
});

test('what a test logs stands beneath its name, also when it passes', (t) => {
  const seeded = "import test from 'ava';\ntest('random', (t) => (t.log('SEED=7'), t.pass()));\n";
  const run = runIn(t, { 'a.test.js': seeded, 'b.test.js': seeded.replace('t.pass', 't.fail').replace('7', '8') });
  t.regex(run.stdout, /✔ .*random\n\s+#\s+SEED=7\n/);
  t.regex(run.stdout, /✘ .*random\n[^✔✘]*SEED=8\n/);
});

test('what a test leaves in the temporary folder is gone when the run has ended', (t) => {
  const run = runIn(t, {
    'a.test.js': `import { mkdtempSync } from 'node:fs';
      import { tmpdir } from 'node:os';
      import test from 'ava';
      test('one', (t) => (t.log('LEFT=' + mkdtempSync(tmpdir() + '/left-') + '.'), t.pass()));`,
  });
  const left = /LEFT=(.*)\./.exec(run.stdout)?.[1] ?? '';
  t.regex(left, /left-/, run.stdout);
  t.false(existsSync(left));
});

test('a crashed test file, a failing test, a lint and a type error each count as failed', (t) => {
  const run = runIn(t, {
    'a.test.js': passing,
    'b.test.js': "import test from 'ava';\ntest('three', (t) => t.fail());\n",
    'c.test.js': "throw new Error('crash');\n",
    'a.ts': "export const a: number = 'text'\n",
  });
  t.is(run.status, 1);
  t.regex(run.last ?? '', /^2 passed, [45] failed$/, run.stdout);
});

test('what failed is said once more at the end, with the first lines of why', (t) => {
  const run = runIn(t, {
    'a.test.js': "import test from 'ava';\ntest('three', (t) => t.is(2 + 2, 5, 'no sum'));\n",
    'b.test.js': Array.from({ length: 40 }, (_, n) => `${n === 0 ? passing : ''}test('t${n}', (t) => t.pass());`).join(
      '\n',
    ),
  });
  t.regex(run.stdout, /\n\n✘ a › three\n[^✔✘]*no sum[^✔✘]*\n\n42 passed, 1 failed\n$/);
});

test('an AVA that is killed is told at the end, with how it ended and what it said last', (t) => {
  // Test files are threads of AVA's process here.
  const killing = `process.stderr.write('last words\\n', () => setTimeout(() => process.kill(process.pid, 'SIGKILL'), 500));\n`;
  const run = runIn(t, { 'a.test.js': `${passing}${killing}test('never', () => new Promise(() => undefined));\n` });
  t.is(run.status, 1, run.stdout);
  t.regex(run.stdout, /✘ ava .*ended with SIGKILL after 2 tests passed\n {4}last words\n\n2 passed, 1 failed\n$/);
});

test('tests of the sources run beside the others, and each counts once', (t) => {
  const run = runIn(t, {
    'package.json': JSON.stringify({ type: 'module', ava: { files: ['test/**/*.test.js'] } }),
    'test/sources/a.test.js': `${passing}test('three', (t) => t.fail());\n`,
    'test/sources/b.test.js': passing,
    'test/log/a.test.js': passing,
    'test/b.test.js': `${passing}test('three', (t) => t.fail());\n`,
  });
  t.deepEqual([run.status, run.last], [1, '8 passed, 2 failed'], run.stdout);
});

test('what is not installed is said just before the counts', (t) => {
  const run = runIn(t, {
    'a.test.js': `${passing}import { appendFileSync } from 'node:fs';\nappendFileSync(process.env.MISSING_FILE, 'NOT RUN here\\n');\n`,
  });
  t.regex(run.stdout, /!!! NOT RUN here\n\n2 passed, 0 failed\n$/);
});

test('a secret of the run that stands in its output fails it', (t) => {
  const run = runIn(t, {
    'a.test.js': `${passing}test('loud', (t) => (console.error('token: ${canary}-token'), t.pass()));\n`,
  });
  t.deepEqual([run.status, run.last], [1, '3 passed, 1 failed'], run.stdout);
  t.regex(run.stdout, /✘ a secret of the test run stands in 1 lines of its output/);
});

test('each mutation must be noticed: one that survives, does not load, or whose text is gone, fails the run', (t) => {
  const mutation = (name: string, find: string) => ({
    name,
    file: 'limits.js',
    find,
    replace: `${find}0`,
    tests: ['limits.test.js'],
  });
  const list = [
    mutation('guarded', 'most = 5'),
    mutation('unguarded', 'least = 1'),
    mutation('moved', 'other = 2'),
    { ...mutation('unloadable', 'most = 5'), replace: 'most = ' },
  ];
  const run = runIn(t, {
    'limits.js': 'export const most = 5;\nexport const least = 1;\n',
    'limits.test.js': `import test from 'ava';\nimport { most } from './limits.js';\ntest('five', (t) => t.is(most, 5));\n`,
    'scripts/mutations/list.ts': `export const mutations = ${JSON.stringify(list)};\n`,
    '.gitignore': 'node_modules\n',
  });
  t.deepEqual([run.status, run.last], [1, '2 passed, 3 failed'], run.stdout);
  t.regex(run.stdout, /✔ guarded +five/);
  t.regex(run.stdout, /1 survived and is tried once more, alone:\n +✘ unguarded +SURVIVED/);
  t.regex(run.stdout, /✘ unloadable +NOT JUDGED \(no test ended\)/);
  t.regex(run.stdout, /✘ moved +ITS TEXT IS NO LONGER FOUND/);
});

test('a mutation that survives beside others and is noticed alone is killed, and told both times', (t) => {
  const marks = mkdtempSync(join(tmpdir(), 's3-sync-marks-'));
  t.teardown(() => rmSync(marks, { recursive: true, force: true }));
  const list = [
    { name: 'raced', file: 'limits.js', find: 'most = 5', replace: 'most = 50', tests: ['limits.test.js'] },
  ];
  const run = runIn(t, {
    'limits.js': 'export const most = 5;\n',
    'limits.test.js': `import test from 'ava';
      import { existsSync, writeFileSync } from 'node:fs';
      import { most } from './limits.js';
      const mark = '${marks}/' + most;
      test('five', (t) => (existsSync(mark) ? t.is(most, 5) : (writeFileSync(mark, ''), t.pass())));\n`,
    'scripts/mutations/list.ts': `export const mutations = ${JSON.stringify(list)};\n`,
    '.gitignore': 'node_modules\n',
  });
  t.regex(run.stdout, /✘ raced +SURVIVED[^]+tried once more, alone:\n +✔ raced +five[^]+1 of 1 mutations were killed/);
  t.is(run.status, 0, run.stdout);
});
