import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How long a server may take until its ready-check answers, on a machine whose cores are all busy. */
const readyMsMax = 120_000;
/** How long a server may take to end after SIGTERM before its whole group is killed. */
const stopMsMax = 5_000;
const startsMax = 3;
const outputCharsKept = 4_000;

/**
 * Runs a command in its own process group and ends the whole group when standard input closes. The kernel closes it
 * when the process that started the server is gone, however it went: no server outlives a test run that was killed.
 */
export const guard = `
exec 3<&0
( while read -r _ <&3; do :; done; kill -KILL 0 ) 2>/dev/null &
watcher=$!
"$@" </dev/null 3<&- &
server=$!
trap 'kill -TERM $server 2>/dev/null' TERM
wait $server; status=$?
while kill -0 $server 2>/dev/null; do wait $server; status=$?; done
kill -KILL $watcher 2>/dev/null
exit $status`;

export type ServerCommand = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Answers 200 once the server takes requests. */
  readonly readyUrl: string;
};

export type RunningServer = {
  readonly pid: number;
  /** Ends the whole process group and removes the data folder. May be called twice. */
  stop(): Promise<void>;
};

/** A port of 127.0.0.1 that was free a moment ago: another process may take it first, so starts are repeated. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const answers = async (url: string): Promise<boolean> => {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
};

const killGroup = (pid: number): void => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is gone already.
  }
};

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const end = async (child: ChildProcess, pid: number): Promise<void> => {
  if (!hasEnded(child)) {
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    await Promise.race([ended, pause(stopMsMax)]);
  }
  killGroup(pid);
};

/** One start. Throws with the last of the server's output when it ends, or is not ready within two minutes. */
const startOnce = async (server: ServerCommand): Promise<RunningServer> => {
  const child = spawn('sh', ['-c', guard, 'guard', server.command, ...server.args], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...server.env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-outputCharsKept);
    });
  }
  child.stdin.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  const pid = child.pid as number;
  const onExit = (): void => killGroup(pid);
  process.once('exit', onExit);
  const stop = async (): Promise<void> => {
    process.off('exit', onExit);
    await end(child, pid);
  };

  const deadline = performance.now() + readyMsMax;
  while (!(await answers(server.readyUrl))) {
    if (hasEnded(child) || performance.now() > deadline) {
      await stop();
      const why = hasEnded(child) ? 'ended before it was ready' : `was not ready within ${readyMsMax} ms`;
      throw new Error(`${server.name} ${why}. Its last output:\n${output}`);
    }
    await pause(100);
  }
  return { pid, stop };
};

/**
 * Starts a server on a free port with a data folder of its own, and returns when it is ready. Another port is tried
 * when a start fails: between looking for a free port and taking it, another process may have been faster.
 */
export const startServer = async (
  describe: (place: { port: number; folder: string }) => ServerCommand,
): Promise<RunningServer & { port: number }> => {
  const folder = await mkdtemp(join(tmpdir(), 's3-sync-server-'));
  const removeFolder = (): Promise<void> =>
    rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  let failure: unknown;
  for (let start = 0; start < startsMax; start++) {
    const port = await freePort();
    try {
      const running = await startOnce(describe({ port, folder }));
      const stop = async (): Promise<void> => {
        await running.stop();
        await removeFolder();
      };
      return { pid: running.pid, port, stop };
    } catch (error) {
      failure = error;
    }
  }
  await removeFolder();
  throw failure;
};
