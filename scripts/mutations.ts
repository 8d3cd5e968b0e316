/**
 * Breaks the product in the ways of `scripts/mutations/list.ts`, one at a time and each in a copy of the sources, and runs
 * the tests that guard it: each must fail by name. Prints a table, and below it those that survived once more. Exits with 1
 * when a mutation survives, or when its text is no longer found. Arguments pick mutations by a part of their names.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Mutation, mutations } from './mutations/list.ts';
import { readTapLine } from './tap.ts';

const root = join(import.meta.dirname, '..');
/** One more than there are processors: some of the tests wait most of the time. */
const copiesAtOnce = availableParallelism() + 1;
const secondsMax = 120;

type Verdict = {
  readonly mutation: Mutation;
  /** Title of the test that failed, or why there is none. */
  readonly killedBy?: string;
  readonly problem?: string;
  readonly seconds: number;
};

/**
 * Copies tracked and new files, without what is ignored, into a folder beside which tests put what they write; the packages
 * and servers are shared through links.
 */
const makeCopy = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 's3-sync-mutations-'));
  chmodSync(folder, 0o755);
  const copy = join(folder, 'copy');
  const files = execFileSync('git', ['ls-files', '-coz', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  for (const file of files
    .split('\0')
    .filter((name) => /^(src|events|projections|test|scripts|fixtures)\/|^[^/]+$/.test(name)))
    if (!['node_modules', '.tools'].includes(file)) cpSync(join(root, file), join(copy, file), { recursive: true });
  for (const shared of ['node_modules', '.tools']) symlinkSync(join(root, shared), join(copy, shared));
  return copy;
};

/** The title of the first test that fails; undefined when none does. What does not even load counts for nothing. */
const firstFailure = async (copy: string, { tests, match, env }: Mutation): Promise<string | undefined> => {
  const { CI: _, ...environment } = process.env;
  const child = spawn(
    process.execPath,
    [join(copy, 'node_modules/.bin/ava'), '--tap', '--timeout=30s', ...tests, ...(match ? ['--match', match] : [])],
    {
      cwd: copy,
      env: { ...environment, TMPDIR: dirname(copy), NODE_COMPILE_CACHE: join(dirname(copy), 'compiled'), ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    },
  );
  const closed = once(child, 'close');
  const end = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-(child.pid as number), signal);
    } catch {
      // Nothing of it is left.
    }
  };
  const timer = setTimeout(end, secondsMax * 1_000, 'SIGTERM');
  let failure: string | undefined;
  let results = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const read = readTapLine(line);
    if (read) results += 1;
    if (failure !== undefined || (read?.kind !== 'failed' && read?.kind !== 'unfinished')) continue;
    if (/ exited |^No tests found|\.ts$/.test(read.title)) continue;
    failure = read.title;
    end('SIGTERM');
  }
  await closed;
  clearTimeout(timer);
  // What a broken product started and never ended.
  end('SIGKILL');
  // A test that hangs is no answer: nobody learns from it what is broken.
  if (results === 0) throw new Error('no test ended');
  return failure;
};

const judge = async (copy: string, mutation: Mutation): Promise<Verdict> => {
  const path = join(copy, mutation.file);
  const whole = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const begun = performance.now();
  const seconds = (): number => (performance.now() - begun) / 1_000;
  const at = whole.indexOf(mutation.find);
  if (at < 0) return { mutation, problem: 'ITS TEXT IS NO LONGER FOUND', seconds: 0 };
  writeFileSync(path, whole.slice(0, at) + mutation.replace + whole.slice(at + mutation.find.length));
  try {
    const killedBy = await firstFailure(copy, mutation);
    return { mutation, ...(killedBy === undefined ? { problem: 'SURVIVED' } : { killedBy }), seconds: seconds() };
  } catch (error) {
    return { mutation, problem: `NOT JUDGED (${(error as Error).message})`, seconds: seconds() };
  } finally {
    writeFileSync(path, whole);
  }
};

const shortened = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

const lineOf = (verdict: Verdict): string => {
  const { mutation, killedBy, problem, seconds } = verdict;
  const by = killedBy ?? `${problem}: ${mutation.file}, ${mutation.tests.join(', ')}`;
  return `  ${killedBy === undefined ? '✘' : '✔'} ${shortened(mutation.name, 54).padEnd(54)} ${shortened(by, 90).padEnd(90)} ${seconds.toFixed(1).padStart(5)} s`;
};

/** Runs all that are asked for, prints a line for each as it is judged, and resolves with how many are killed, and how many are not. */
export const runMutations = async (names: readonly string[] = []): Promise<{ killed: number; survived: number }> => {
  const asked = mutations.filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part)));
  if (asked.length === 0) return { killed: 0, survived: 0 };
  const waiting = [...asked];
  const verdicts: Verdict[] = [];
  const work = async (): Promise<void> => {
    const copy = makeCopy();
    try {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const verdict = await judge(copy, next);
        verdicts.push(verdict);
        console.log(lineOf(verdict));
      }
    } finally {
      rmSync(dirname(copy), { recursive: true, force: true, maxRetries: 5 });
    }
  };
  console.log(`  ${'  mutation'.padEnd(56)} ${'killed by'.padEnd(90)}  time`);
  await Promise.all(Array.from({ length: copiesAtOnce }, work));
  const survivors = verdicts.filter(({ killedBy }) => killedBy === undefined);
  console.log(`  ${verdicts.length - survivors.length} of ${asked.length} mutations were killed`);
  // Once more at the end, where they are found.
  for (const survivor of survivors) console.log(lineOf(survivor));
  return { killed: verdicts.length - survivors.length, survived: survivors.length };
};

if (import.meta.main) {
  const { killed, survived } = await runMutations(process.argv.slice(2));
  process.exitCode = survived === 0 && killed > 0 ? 0 : 1;
}
