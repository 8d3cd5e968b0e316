/**
 * `make bench`, `make bench BENCH=diff`: runs us and our peers in turns on the same input, and prints one table a benchmark.
 * Results go to `bench/results.json`, one entry a benchmark, the newest.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { type Benchmark, benchmarks, buildProduct } from './benchmarks.ts';
import { dataFolder } from './data.ts';
import { type Contender, type Measured, measure, runOnce } from './measure.ts';
import { type Result, type Results, resultsFile, tableOf, writeReadme } from './results.ts';

const rounds = Number(process.env['ROUNDS'] ?? 5);
const wanted = process.argv[2] ?? '';

const versionOf = (command: string, ...args: string[]): string => {
  try {
    return (
      execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
        .split('\n')[0]
        ?.trim() ?? ''
    );
  } catch {
    return 'not there';
  }
};

const python = join(import.meta.dirname, '..', '.tools', 'bench', 'python', 'bin', 'python');
const machine = {
  cpu: `${cpus().length} × ${cpus()[0]?.model}`,
  memory: `${Math.round(totalmem() / 1e9)} GB`,
  kernel: `Linux ${release().split('-')[0]}`,
  versions: [
    `Node ${process.version}`,
    `sqlite3 ${versionOf('sqlite3', '--version').split(' ')[0]}`,
    versionOf('comm', '--version'),
    versionOf('cmp', '--version'),
    'csv-diff 0.1.2',
    versionOf(python, join(import.meta.dirname, 'peers', 'differ.py'), 'version', '', '', ''),
  ],
};

const isThere = ({ command: [program] }: Contender): boolean =>
  program.includes('/') ? existsSync(program) : versionOf('sh', '-c', `command -v ${program}`) !== 'not there';

const measureRounds = async (benchmark: Benchmark): Promise<void> => {
  console.log(`\n## ${benchmark.name}\n`);
  const { input, contenders, round, end } = await benchmark.prepare();
  const missing = contenders.filter((contender) => !isThere(contender)).map(({ name }) => name);
  const present = contenders.filter(({ name }) => !missing.includes(name));
  let measured: Measured[];
  try {
    if (round) {
      const runs = new Map(present.map(({ name }) => [name, [] as Awaited<ReturnType<typeof runOnce>>[]]));
      for (let number = 0; number < rounds; number += 1) {
        await round(number);
        for (const contender of number % 2 ? [...present].reverse() : present)
          runs.get(contender.name)?.push(await runOnce(contender));
      }
      measured = present.map(({ name, items }) => ({ name, items, runs: runs.get(name) ?? [] }));
    } else measured = await measure(present, rounds);
  } finally {
    await end?.();
  }
  const { name, items, bars, afterStartUp, rssMax } = benchmark;
  const at = new Date().toISOString();
  const result: Result = { at, machine, input, items, rounds, bars, afterStartUp, rssMax, missing, measured };
  console.log(`${input}; ${rounds} runs each, in turns\n\n${tableOf(result)}`);
  const all = existsSync(resultsFile) ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as Results) : {};
  writeFileSync(resultsFile, `${JSON.stringify({ ...all, [name]: result }, null, 2)}\n`);
  writeReadme(benchmarks.map((one) => one.name));
};

mkdirSync(dataFolder, { recursive: true });
const chosen = benchmarks.filter(({ name }) => name.startsWith(wanted));
if (chosen.length === 0) {
  console.error(`there is no benchmark ${wanted}; there are: ${benchmarks.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
buildProduct();
console.log(`${machine.cpu}, ${machine.memory}, ${machine.kernel}\n${machine.versions.join('; ')}`);
for (const benchmark of chosen) await measureRounds(benchmark);
