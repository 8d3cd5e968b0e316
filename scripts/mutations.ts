/**
 * Breaks the product in the ways of `scripts/mutations/list.ts`, one at a time and each in a copy of the sources, and runs
 * the tests that guard it: each must fail by name. Prints a table, and below it those that survived once more. Exits with 1
 * when a mutation survives, or when its text is no longer found. Arguments pick mutations by a part of their names.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { firstFailure } from './guard.ts';
import { type Mutation, mutations } from './mutations/list.ts';

const root = join(import.meta.dirname, '..');
/** More than there are processors: some of the tests wait most of the time. */
const copiesAtOnce = availableParallelism() + 2;
const idleMs = 30_000;

type Verdict = {
  readonly mutation: Mutation;
  /** Title of the test that failed, or why there is none. */
  readonly killedBy?: string;
  readonly problem?: string;
  readonly seconds: number;
};

/**
 * Copies tracked and new files, without what is ignored; the packages and servers are shared through links. Tests put what
 * they write beside the copy.
 */
const makeCopy = (copy: string): void => {
  const files = execFileSync('git', ['ls-files', '-coz', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  for (const file of files
    .split('\0')
    .filter((name) => /^(src|events|projections|test|scripts|fixtures)\/|^[^/]+$/.test(name)))
    if (!['node_modules', '.tools'].includes(file)) cpSync(join(root, file), join(copy, file), { recursive: true });
  for (const shared of ['node_modules', '.tools']) symlinkSync(join(root, shared), join(copy, shared));
};

/** The title of the first test that fails; undefined when none does. */
const killerOf = async (copy: string, { tests, match, env }: Mutation): Promise<string | undefined> => {
  const { CI: _, ...environment } = process.env;
  const home = dirname(dirname(copy));
  for (const file of tests) {
    const failure = await firstFailure({
      folder: copy,
      file,
      ...(match === undefined ? {} : { match }),
      env: {
        ...environment,
        TMPDIR: dirname(copy),
        // All copies share what is compiled: tests, and in the same place the commands that they start.
        HOME: home,
        NODE_COMPILE_CACHE: join(home, '.cache', 's3-sync'),
        ...env,
      },
      idleMs,
    });
    if (failure !== undefined) return failure;
  }
  return undefined;
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
    const killedBy = await killerOf(copy, mutation);
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

/** Judges all of them in so many copies, and prints a line for each as it is judged. */
const judgeIn = async (copies: number, asked: readonly Mutation[]): Promise<Verdict[]> => {
  const waiting = [...asked];
  const verdicts: Verdict[] = [];
  const folder = mkdtempSync(join(tmpdir(), 's3-sync-mutations-'));
  chmodSync(folder, 0o755);
  const work = async (_: unknown, at: number): Promise<void> => {
    const copy = join(folder, String(at), 'copy');
    makeCopy(copy);
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const verdict = await judge(copy, next);
      verdicts.push(verdict);
      console.log(lineOf(verdict));
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(copies, asked.length) }, work));
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return verdicts;
};

/** More than these have not survived by chance. */
const secondTriesMost = 3;

/** Runs all that are asked for. Resolves with how many are killed, and how many are not. */
export const runMutations = async (names: readonly string[] = []): Promise<{ killed: number; survived: number }> => {
  const asked = mutations.filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part)));
  if (asked.length === 0) return { killed: 0, survived: 0 };
  console.log(`  ${'  mutation'.padEnd(56)} ${'killed by'.padEnd(90)}  time`);
  let verdicts = await judgeIn(copiesAtOnce, asked);
  // A test that has to be quicker than what it guards may miss it beside others: what it says alone holds, and both are told.
  const missed = verdicts.filter(({ problem }) => problem === 'SURVIVED');
  if (missed.length > 0 && missed.length <= secondTriesMost) {
    console.log(`  ${missed.length} survived and ${missed.length === 1 ? 'is' : 'are'} tried once more, alone:`);
    const mutationsMissed = missed.map(({ mutation }) => mutation);
    verdicts = [...verdicts.filter((verdict) => !missed.includes(verdict)), ...(await judgeIn(1, mutationsMissed))];
  }
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
