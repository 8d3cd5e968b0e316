import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { startProxy } from '../apply/real.ts';
import { startCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { environmentOf } from '../support/world.ts';
import { worldTest } from '../support/world-test.ts';
import { runCommand } from './in-process.ts';

/** What commands make of a stop, which may come before they have done anything. */

const withWorld = worldTest({ timeoutMs: 120_000 });
const signal = AbortSignal.abort();

test('a snapshot that is stopped before it is folded exports nothing', async (t) => {
  const folder = await freshFolder();
  t.teardown(() => removeFolder(folder));
  const environment = { DATA_DIR: join(folder, 'data') };
  const events = [1, 2, 3].map((at) => ({
    id: `e${at}`,
    type: 'create',
    time: '2026-01-01T00:00:00Z',
    path: `f${at}`,
  }));
  await runCommand('ingest', [], { environment, input: events.map((event) => JSON.stringify(event)).join('\n') });
  const flags = { at: '2', out: join(folder, 'snapshot.csv') };
  await t.throwsAsync(runCommand('snapshot', [], { environment, flags, signal }), {
    message: 'stopped at offset 0 of 2: nothing was exported',
  });
  t.false(existsSync(flags.out));
  await runCommand('snapshot', [], { environment, flags });
  t.true(existsSync(flags.out));
});

withWorld(
  'a daemon that is stopped while it builds the projections anew ends, and builds the rest when it starts again',
  async (t, world) => {
    for (const path of ['a', 'b', 'c']) await world.put(path, 'content');
    await world.release();
    const environment = environmentOf(world);
    await rm(world.config.paths.projections);
    const behind = async (): Promise<number> =>
      JSON.parse(await runCommand('status', [], { environment, flags: { json: true } })).projections.lag_events;
    await runCommand('daemon', [], { environment, signal });
    t.is(await behind(), 3);
    await t.throwsAsync(runCommand('plan', [], { environment, signal }), { message: /^stopped while .* at offset 0/ });
    await runCommand('plan', [], { environment });
    t.is(await behind(), 0);
  },
);

withWorld('a verify that is stopped compares nothing more, and says so', async (t, world) => {
  await world.put('a', 'content');
  await world.cycle();
  await world.release();
  const environment = environmentOf(world);
  await t.throwsAsync(runCommand('verify', [], { environment, signal }), { message: /^stopped before .*run it again/ });
});

withWorld('an apply that is stopped before it begins releases no plan', async (t, world) => {
  for (let at = 0; at < 20; at++) await world.put(`f${at}`, `content ${at}`);
  await world.cycle();
  for (let at = 0; at < 15; at++) await world.append({ type: 'delete', path: `f${at}` });
  const { plan, report } = await world.cycle();
  t.is(report.status, 'held');
  await world.release();
  const environment = environmentOf(world);
  await t.throwsAsync(runCommand('apply', [plan.id], { environment, signal }), { message: /^stopped.*not released/ });
  t.deepEqual(
    (await readdir(join(world.config.paths.data, 'plans'))).filter((name) => name.endsWith('.released')),
    [],
  );
});

withWorld('a reconcile that is stopped says that it did not end', async (t, world) => {
  await world.put('a', 'content');
  await world.cycle();
  await world.release();
  const environment = environmentOf(world);
  for (const flags of [{}, { fileManager: true }])
    await t.throwsAsync(runCommand('reconcile', [], { environment, flags, signal }), { message: /^stopped before/ });
});

withWorld('a cycle that is stopped while it asks the bucket says that it was stopped', async (t, world) => {
  await world.put('a', 'content');
  await world.cycle();
  await world.put('b', 'content');
  await world.append({ type: 'delete', path: 'a' });
  await world.release();
  const asked = Promise.withResolvers<void>();
  // It never answers.
  const url = await startProxy(t, world.s3.url, async () => {
    asked.resolve();
    return true;
  });
  const words = ['incremental-sync', '--no-drain'];
  const { child, finished } = startCli(words, { ...environmentOf(world), CUSTOMER_S3_ENDPOINT: url });
  await asked.promise;
  child.kill('SIGINT');
  const { code, stderr } = await finished;
  t.is(code, 1);
  t.regex(stderr, /s3-sync incremental-sync: stopped before it had ended: run it again/);
});
