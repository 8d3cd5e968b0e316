import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { runCli, startCli } from '../support/cli.ts';
import { createWorld, environmentOf, type World } from '../support/world.ts';

const settingsOf = (world: World): Record<string, string> => ({
  ...environmentOf(world),
  SYNC_INTERVAL: '3600',
  LOG_LEVEL: 'info',
});

/** A daemon that has ended its first cycle: the next one of its own is an hour away. */
const startDaemon = async (environment: Record<string, string>) => {
  const daemon = startCli(['daemon'], environment);
  const lines = createInterface({ input: daemon.child.stderr as NodeJS.ReadableStream });
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => line.includes('cycle ended') && resolve());
    once(daemon.child, 'close').then(() => reject(new Error('the daemon ended')));
  });
  return daemon;
};

/** A file manager that never answers: it keeps a cycle in hand. */
const startSilent = async (): Promise<{ readonly url: string; readonly close: () => void }> => {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}`, close };
};

test('while the daemon runs, syncs, plans and the self test are handed over to it', async (t) => {
  t.timeout(120_000);
  const world = await createWorld();
  const environment = settingsOf(world);
  await world.release();
  for (let n = 0; n < 20; n += 1) await world.writer.put(`f${n}`, Buffer.from(`content ${n}`));
  const daemon = await startDaemon(environment);
  try {
    const quiet = { ...environment, LOG_LEVEL: 'warn' };
    const idle = await runCli(['incremental-sync', '--json'], quiet);
    t.is(idle.code, 0, idle.stderr);
    t.is(JSON.parse(idle.stdout).status, 'idle');
    t.regex(idle.stderr, new RegExp(`handed over to the running 's3-sync daemon' \\(pid ${daemon.child.pid}`));

    await world.writer.put('new', Buffer.from('new'));
    const initial = await runCli(['initial-sync'], quiet);
    t.is(initial.code, 0, initial.stderr);
    t.regex(initial.stdout, /done.*\n.*\n {2}carried out 1 save/);

    for (let n = 0; n < 20; n += 1) await world.writer.delete(`f${n}`);
    const reconciled = await runCli(['reconcile'], quiet);
    t.regex(reconciled.stdout, /20 gone/);
    const held = await runCli(['incremental-sync'], quiet);
    t.is(held.code, 3, held.stderr);
    const id = /apply ([0-9a-f]+)/.exec(held.stderr)?.[1] ?? '';
    const [shown, shownJson] = [await runCli(['plan'], quiet), await runCli(['plan', '--json'], quiet)];
    t.is(shown.code, 3);
    t.is(JSON.parse(shownJson.stdout).id, id);
    const applied = await runCli(['apply', id], quiet);
    t.is(applied.code, 0, applied.stderr);
    t.regex(applied.stdout, /carried out 20 delete/);

    const tested = await runCli(['test'], quiet);
    t.is(tested.code, 0, tested.stdout);
    t.regex(tested.stdout, /(\d+) of \1 checks hold/);

    const bad = await runCli(['incremental-sync', '--concurrency', 'x'], quiet);
    t.is(bad.code, 2);
    const refused = await runCli(['ingest', '-'], quiet, '{}');
    t.is(refused.code, 1);
    t.regex(refused.stderr, new RegExp(`in use by 's3-sync daemon' \\(pid ${daemon.child.pid}`));
  } finally {
    daemon.child.kill('SIGTERM');
    t.is((await daemon.finished).code, 0);
    await world.close();
  }
});

test('a command that was handed over fails when the daemon is killed, and the data folder is free again', async (t) => {
  t.timeout(120_000);
  const world = await createWorld();
  const silent = await startSilent();
  const environment = { ...settingsOf(world), FILE_MANAGER_API_URL: silent.url };
  await world.release();
  const daemon = await startDaemon(environment);
  try {
    // A file manager that never answers keeps the cycle in hand.
    await world.writer.put('b', Buffer.from('b'));
    const waiting = startCli(['initial-sync'], { ...environment, LOG_LEVEL: 'warn' });
    await once(waiting.child.stderr as NodeJS.ReadableStream, 'data');
    daemon.child.kill('SIGKILL');
    const { code, stderr } = await waiting.finished;
    t.is(code, 1);
    t.regex(stderr, /ended before it had answered: run the command again/);
  } finally {
    await daemon.finished;
    silent.close();
    await world.close();
  }
});

test('a command that is stopped before its turn comes ends at once, and does nothing', async (t) => {
  t.timeout(120_000);
  const world = await createWorld();
  const silent = await startSilent();
  const environment = { ...settingsOf(world), FILE_MANAGER_API_URL: silent.url };
  await world.release();
  t.is((await runCli(['ingest', '-'], environment, 'no event')).code, 0);
  const daemon = await startDaemon(environment);
  try {
    // A file manager that never answers keeps the cycle in hand.
    await world.writer.put('b', Buffer.from('b'));
    const first = startCli(['initial-sync'], environment);
    await once(first.child.stderr as NodeJS.ReadableStream, 'data');
    const second = startCli(['quarantine', 'drop', '--all'], environment);
    await once(second.child.stderr as NodeJS.ReadableStream, 'data');
    await sleep(1_000);
    const begun = performance.now();
    second.child.kill('SIGINT');
    const { code, stderr } = await second.finished;
    t.is(code, 1);
    t.regex(stderr, /stopped before its turn came: nothing was done/);
    t.true(performance.now() - begun < 20_000);
    // Turns are taken in order: where the third has had its own, so has the second.
    silent.close();
    first.child.kill('SIGINT');
    t.regex((await runCli(['quarantine', 'drop', '999'], environment)).stderr, /999/);
  } finally {
    silent.close();
    daemon.child.kill('SIGTERM');
    await daemon.finished;
  }
  t.regex((await runCli(['quarantine', 'list'], environment)).stdout, /1 of at most/);
  await world.close();
});
