import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A test file of the project in `folder`, and which of its tests by title (AVA's wildcards; all where it is left out). */
export type Guard = {
  readonly folder: string;
  readonly file: string;
  readonly match?: string;
  readonly env: NodeJS.ProcessEnv;
  /** For how long nothing may be heard of any test before those under way have failed; longer where a test asks for it. */
  readonly idleMs: number;
};

/** What AVA's test process tells, as far as it matters here. */
type Told = {
  readonly type: string;
  readonly title: string;
  readonly skip?: boolean;
  readonly todo?: boolean;
  readonly period?: number;
};

const wholeMsMax = 120_000;
/** For how long a test process may end by itself, and so keep its compiled code for those to come. */
const endingMsMax = 1_000;

const optionsOf = ({ folder, file, match }: Guard) => ({
  baseDir: folder,
  projectDir: folder,
  file: join(folder, file),
  match: match === undefined ? [] : [match],
  lineNumbers: [],
  chalkOptions: { level: 0 },
  failFast: true,
});

/**
 * The title of the first test that fails; undefined when none does. Rejects when no test has ended: what does not even
 * load counts for nothing. The file runs in the process in which AVA runs it, and hears from here what it hears from AVA
 * (`ava/lib/fork.js`), but without AVA's command around it, whose start takes longer than most tests do.
 */
export const firstFailure = async (guard: Guard): Promise<string | undefined> => {
  const child = fork(join(guard.folder, 'node_modules/ava/lib/worker/base.js'), {
    cwd: guard.folder,
    env: { NODE_ENV: 'test', ...guard.env },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
    detached: true,
  });
  const exited = once(child, 'exit');
  const tell = (ava: object): void => void (child.connected && child.send({ ava }, () => undefined));
  const kill = (): void => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL');
    } catch {
      // Nothing of it is left.
    }
  };
  const underWay = new Set<string>();
  let ended = 0;
  let failure: string | undefined;
  const timers = [setTimeout(kill, wholeMsMax)];
  const fail = (title: string | undefined): void => {
    failure ??= title;
    tell({ type: 'peer-failed' });
    timers.push(setTimeout(kill, endingMsMax));
  };
  let { idleMs } = guard;
  const giveUp = (): void => fail([...underWay][0]);
  let idle = setTimeout(giveUp, idleMs);
  child.on('message', ({ ava: { type, title, skip, todo, period = 0 } }: { ava: Told }) => {
    clearTimeout(idle);
    idleMs = Math.max(idleMs, period);
    idle = setTimeout(giveUp, idleMs);
    if (type === 'ready-for-options') tell({ type: 'options', options: optionsOf(guard) });
    if (type === 'worker-finished') tell({ type: 'free-worker' });
    if (type === 'selected-test' && !skip && !todo) underWay.add(title);
    if (type === 'test-passed' || type === 'test-failed') {
      underWay.delete(title);
      ended += 1;
    }
    if (type === 'test-failed' || type === 'hook-failed') fail(title);
  });
  await exited;
  for (const timer of [...timers, idle]) clearTimeout(timer);
  // What a broken product started and never ended.
  kill();
  if (failure === undefined && ended === 0) throw new Error('no test ended');
  return failure;
};
