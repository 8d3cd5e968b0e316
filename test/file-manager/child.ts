import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';

export type ServerProcess = { readonly url: string; readonly kill: () => Promise<void> };

/** Runs `server-process.ts` on a root; `kill` is SIGKILL. It never outlives the test. */
export const serverProcess = async (t: ExecutionContext, root: string): Promise<ServerProcess> => {
  const script = fileURLToPath(new URL('./server-process.ts', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [script, root], { stdio: ['ignore', 'pipe', 'inherit'] });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  t.teardown(kill);
  if (child.stdout === null) throw new Error('the child has no output');
  for await (const url of createInterface({ input: child.stdout })) return { url, kill };
  throw new Error('the file manager did not start');
};
