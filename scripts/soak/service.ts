import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { guard } from '../../test/support/child.ts';
import type { Counts, Random } from './random.ts';

const entry = join(import.meta.dirname, '../../src/cli.ts');
/** What `sh` makes of SIGKILL, as a failpoint or a person sends it. */
const killedCode = 137;
/** The same of SIGTERM, when it comes before the process listens for it. */
const terminatedCode = 143;
const restartMs = 300;

export type ServiceOptions = {
  readonly name: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Where its log goes; each start appends. */
  readonly logFile: string;
  readonly random: Random;
  readonly counts: Counts;
  /** Places of which each may end a start. */
  readonly failpoints: readonly string[];
  /** Least and most time between two kills. */
  readonly killEveryMs: readonly [number, number];
};

/** Runs a command of the product again whenever it ends, as a supervisor would, and ends it at random moments. */
export const superviseService = (options: ServiceOptions) => {
  const { name, args, environment, random, counts } = options;
  const log = openSync(options.logFile, 'a');
  const surprises: string[] = [];
  let child: ChildProcess | undefined;
  let killing = true;
  let stopping = false;
  let rssBytesMax = 0;

  const signalGroup = (signal: NodeJS.Signals): void => {
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, signal);
  };
  const onExit = (): void => {
    try {
      signalGroup('SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  process.once('exit', onExit);

  const startOnce = async (): Promise<void> => {
    const at = killing && random.chance(0.5) ? random.pick(options.failpoints) : undefined;
    const started = spawn('sh', ['-c', guard, 'guard', process.execPath, entry, ...args], {
      detached: true,
      stdio: ['pipe', log, log],
      cwd: '/',
      env: {
        PATH: process.env['PATH'] ?? '',
        ...environment,
        ...(at !== undefined && { FAILPOINT: `${at}:${random.between(1, 8)}` }),
      },
    });
    child = started;
    const [code, signal] = (await once(started, 'close')) as [number | null, string | null];
    if (signal !== null) return;
    if (code === killedCode) counts.add(`${name} at ${at ?? 'no failpoint'}`);
    else if (!stopping && code !== 0 && code !== terminatedCode) surprises.push(`${name} ended by itself with ${code}`);
  };
  const running = (async (): Promise<void> => {
    while (!stopping) {
      await startOnce();
      if (!stopping) await sleep(restartMs);
    }
  })();
  const killer = (async (): Promise<void> => {
    while (killing) {
      await sleep(random.between(...options.killEveryMs));
      if (!killing) return;
      const signal = random.chance(0.8) ? 'SIGKILL' : 'SIGTERM';
      counts.add(`${name} ${signal}`);
      if (signal === 'SIGKILL') signalGroup(signal);
      else child?.kill(signal);
    }
  })();
  const watch = setInterval(() => {
    rssBytesMax = Math.max(rssBytesMax, rssOfGroup(child?.pid));
  }, 500);

  return {
    rssBytesMax: () => rssBytesMax,
    /** Ends that nobody asked for. */
    surprises: surprises as readonly string[],
    /** From now on it is left alone; stopped as a person would, and started anew without a failpoint in wait. */
    spare: (): void => {
      killing = false;
      child?.kill('SIGTERM');
    },
    /** May be called twice. */
    stop: async (): Promise<void> => {
      if (stopping) return;
      killing = false;
      stopping = true;
      clearInterval(watch);
      child?.kill('SIGTERM');
      await Promise.race([running, sleep(15_000)]);
      signalGroup('SIGKILL');
      await running;
      process.off('exit', onExit);
      closeSync(log);
      killer.catch(() => undefined);
    },
  };
};

export type Service = ReturnType<typeof superviseService>;

/** The largest resident size that a child of the guard has had, by the kernel's own count; 0 where it does not tell. */
const rssOfGroup = (guardPid: number | undefined): number => {
  try {
    const children = readFileSync(`/proc/${guardPid}/task/${guardPid}/children`, 'utf8').trim().split(' ');
    const sizes = children.map((pid) => /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    return Math.max(0, ...sizes.map((size) => Number(size ?? 0) * 1024));
  } catch {
    return 0;
  }
};
