import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';

/** One way to do the job: a whole process. */
export type Contender = {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** File that takes standard output; without it nothing keeps it. */
  readonly out?: string;
  /** Exit codes that mean success, beside 0: `cmp` ends with 1 when it finds a difference. */
  readonly alsoOk?: readonly number[];
  /** What it works on, where that is another number than the benchmark's. */
  readonly items?: number;
  /** Puts things back to where a run begins; not measured. */
  readonly before?: () => Promise<void> | void;
};

export type Run = {
  readonly seconds: number;
  /** Largest resident set of the process, MB (10^6 bytes). */
  readonly rssMb: number;
};

const highWater = (pid: number): number => {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1.024e-3;
  } catch {
    return 0;
  }
};

/** Runs it once. Throws when it fails: a figure of a failed run is no figure. */
export const runOnce = async ({ name, command, cwd, env, out, alsoOk, before }: Contender): Promise<Run> => {
  await before?.();
  const [program, ...args] = command;
  const output = openSync(out ?? '/dev/null', 'w');
  const started = process.hrtime.bigint();
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', output, 'pipe'] });
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk).slice(-2_000);
  });
  let rssMb = 0;
  const watch = setInterval(() => {
    rssMb = Math.max(rssMb, highWater(child.pid ?? 0));
  }, 10);
  const [code] = (await once(child, 'exit')) as [number | null];
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  clearInterval(watch);
  closeSync(output);
  if (code !== 0 && !alsoOk?.includes(code ?? -1)) throw new Error(`${name} ended with ${code}: ${stderr}`);
  return { seconds, rssMb };
};

export type Measured = { readonly name: string; readonly items?: number | undefined; readonly runs: readonly Run[] };

/** Runs the contenders in turns, each `rounds` times, so that whatever else the machine does falls on all of them. */
export const measure = async (contenders: readonly Contender[], rounds: number): Promise<Measured[]> => {
  const runs = new Map(contenders.map(({ name }) => [name, [] as Run[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < contenders.length; turn += 1) {
      const contender = contenders[(round + turn) % contenders.length] as Contender;
      runs.get(contender.name)?.push(await runOnce(contender));
    }
  }
  return contenders.map(({ name, items }) => ({ name, items, runs: runs.get(name) ?? [] }));
};

export const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};
