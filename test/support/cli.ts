import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { insistOnNoSecret, insistOnNoSecretIn, secrets } from './canary.ts';

const entry = join(import.meta.dirname, '../../src/cli.ts');

export type Finished = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Environment of a command under test: nothing of this machine's own settings, and secrets that nothing may show. */
const environmentOf = (environment: Readonly<Record<string, string>>): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  HOME: process.env.HOME ?? '',
  LOG_LEVEL: 'warn',
  ...secrets,
  ...environment,
});

/** Starts a command as its users do: a process of its own. */
export const startCli = (
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  cwd = '/',
): { child: ChildProcess; finished: Promise<Finished> } => {
  const child = spawn(process.execPath, [entry, ...args], {
    env: environmentOf(environment),
    cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  child.stdin?.on('error', () => undefined);
  const finished = once(child, 'close').then(async ([code]) => {
    insistOnNoSecret(stdout, `standard output of ${args.join(' ')}`);
    insistOnNoSecret(stderr, `standard error of ${args.join(' ')}`);
    if (environment.DATA_DIR !== undefined) await insistOnNoSecretIn(environment.DATA_DIR);
    return { code: code as number | null, stdout, stderr };
  });
  return { child, finished };
};

/** Where a server that was started with `LOG_LEVEL=info` says that it listens. Rejects when it ends before. */
export const listeningAt = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk;
      const [, url] = /"url":"([^"]+)".*is listening/.exec(said) ?? [];
      if (url !== undefined) resolve(url);
    });
    child.once('close', () => reject(new Error(`it ended before it listened: ${said}`)));
  });

export const runCli = (
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  input = '',
): Promise<Finished> => {
  const { child, finished } = startCli(args, environment);
  child.stdin?.end(input);
  return finished;
};
