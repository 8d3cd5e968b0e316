/**
 * Runs the linter, the type check, every test and, without arguments, the mutation checks. Ends with `N passed, N failed`
 * from the real counts. A failing lint or type check, a crashed test file, an AVA that fails without naming a test, and a
 * mutation that no test notices each count as one failure. Arguments are passed on to AVA. Exit code 0 only when nothing failed and something passed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { canary } from './canary.ts';
import { runMutations } from './mutations.ts';
import { addCounts, addTapLine, type Counts, readTapLine } from './tap.ts';

const root = join(import.meta.dirname, '..');
const bin = join(root, 'node_modules', '.bin');
const folder = mkdtempSync(join(tmpdir(), 's3-sync-run-'));
// What tests leave behind, and what is ended in the middle of its work, goes with this folder. Some tests run as nobody.
chmodSync(folder, 0o755);
process.env['TMPDIR'] = folder;
const missingFile = join(folder, 'missing');
writeFileSync(missingFile, '');

const options = {
  cwd: root,
  env: {
    ...process.env,
    PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
    MISSING_FILE: missingFile,
    NODE_COMPILE_CACHE: join(folder, 'compiled'),
  },
};

/** What failed, each with the first lines of why. It is said once more at the very end: of a long output often only that is kept. */
const failures: string[][] = [];
const fail = (line: string, why: readonly string[] = []): void => {
  failures.push([`✘ ${line}`, ...why.map((text) => `    ${text}`)]);
  console.log(`✘ ${line}`);
};
const reasonLines = 10;

/** 0 when the check passed, 1 when it failed or could not be started. */
const check = async (name: string, args: readonly string[]): Promise<number> => {
  console.log(`# ${name} ${args.join(' ')}`);
  const child = spawn(join(bin, name), args, { ...options, stdio: 'inherit' });
  const code = await once(child, 'close').then(
    ([status]) => status as number | null,
    () => 1,
  );
  if (code === 0) return 0;
  fail(`${name} failed`);
  return 1;
};

/** How AVA begins a line that a test logged, such as the seed by which it runs again as it ran. */
const testLog = '#   ';

const runAva = async (args: readonly string[]): Promise<Counts> => {
  const child = spawn(join(bin, 'ava'), ['--tap', ...args], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close').then(
    ([status, signal]) => (status ?? signal) as number | string,
    (error: Error) => error.message,
  );
  /** What AVA said last. */
  const said: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.includes(canary)) secretsSeen += 1;
    said.push(line);
    if (said.length > reasonLines) said.shift();
    console.error(line);
  });
  let counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  /** What is being said of a failure; undefined after a test that passed. */
  let failure: string[] | undefined;
  let secretsSeen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes(canary)) secretsSeen += 1;
    const read = readTapLine(line);
    counts = addTapLine(counts, read);
    if (read) {
      failure = read.kind === 'failed' || read.kind === 'unfinished' ? [`✘ ${read.title}`] : undefined;
      if (failure) failures.push(failure);
      console.log(`  ${failure ? '✘' : read.kind === 'skipped' ? '-' : '✔'} ${read.title}`);
    } else if ((failure && line.startsWith(' ')) || line.startsWith(testLog)) {
      if (failure && failure.length <= reasonLines) failure.push(`  ${line}`);
      console.log(`  ${line}`);
    }
  }
  const code = await closed;
  if (secretsSeen > 0) fail(`a secret of the test run stands in ${secretsSeen} lines of its output`);
  // AVA ends with 1 after tests that failed, which are named.
  const silentFailure = (code !== 0 && (code !== 1 || counts.failed === 0)) || counts.passed === 0;
  if (silentFailure) fail(`ava ${args.join(' ')} ended with ${code} after ${counts.passed} tests passed`, said);
  return { ...counts, failed: counts.failed + Number(silentFailure) + Number(secretsSeen > 0) };
};

/** These mostly wait for a broker: they go on beside the others, one file at a time, and take hardly anything from them. */
const waiting = 'test/sources';
const wholeRun = existsSync(join(root, waiting))
  ? [
      [`${waiting}/**`, '--concurrency=1'],
      ['**', `!${waiting}/**`],
    ]
  : [[]];

const runTests = async (): Promise<Counts> => {
  console.log('# ava');
  const asked = process.argv.slice(2);
  const runs = await Promise.all((asked.length > 0 ? [asked] : wholeRun).map(runAva));
  return runs.reduce(addCounts);
};

/** Only over a whole run whose tests pass: what fails anyway notices no mutation. */
const checkMutations = async (): Promise<{ killed: number; survived: number }> => {
  if (process.argv.length > 2) return { killed: 0, survived: 0 };
  console.log('# mutations: each break of the product must be noticed by the tests that guard it');
  if (tests.failed === 0) return runMutations();
  console.log('  not run, because tests fail');
  return { killed: 0, survived: 0 };
};

const lint = await check('biome', ['check', '.']);
const types = await check('tsc', ['--noEmit']);
const tests = await runTests();
const mutations = await checkMutations();
const missing = [...new Set(readFileSync(missingFile, 'utf8').split('\n'))].filter((line) => line !== '').sort();
rmSync(folder, { recursive: true, force: true, maxRetries: 5 });

if (missing.length > 0) {
  console.log(`\n!!! ${tests.skipped} tests did NOT run, because a server that they need is not installed here:`);
  for (const line of missing) console.log(`!!! ${line}`);
}
if (failures.length > 0) console.log(`\n${failures.flat().join('\n')}`);
const failed = lint + types + tests.failed + mutations.survived;
process.exitCode = failed === 0 ? 0 : 1;
console.log(`\n${tests.passed + mutations.killed} passed, ${failed} failed`);
