import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { unknownAt } from '../../src/cycle/under-way.ts';
import { openProjector } from '../../src/projector/projector.ts';
import { runCli } from '../support/cli.ts';
import { viewsOf } from '../support/views.ts';
import { createWorld, environmentOf, type World } from '../support/world.ts';

/** What `status` says was carried out. */
const counted = async (world: World): Promise<unknown> => {
  const { code, stdout, stderr } = await runCli(['status', '--json'], environmentOf(world));
  if (code !== 0) throw new Error(stderr);
  return (JSON.parse(stdout) as { operations: unknown }).operations;
};

const done = async (world: World, ...args: string[]): Promise<void> => {
  const { code, stderr } = await runCli(args, environmentOf(world));
  if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
};

test('operations count once they were carried out, and nothing else that changes the mirror does', async (t) => {
  t.timeout(120_000);
  const world = await createWorld({ trashRetentionMs: 3_600_000 });
  const disk = (path: string): string => join(world.folder, 'files', path);
  for (const path of ['a', 'b', 'c']) await world.put(path, `content of ${path}`);
  await world.cycle();
  // As a cycle notes it where a crash has left an operation that cannot be finished.
  await world.workspace().log.append([unknownAt('c', await world.workspace().log.last())]);
  await world.workspace().projector.catchUp();
  await world.release();
  t.deepEqual(await counted(world), { save: 3 });

  await rm(disk('a'));
  await writeFile(disk('b'), 'another content');
  await writeFile(disk('d'), 'unknown');
  await done(world, 'reconcile', '--file-manager');
  t.deepEqual(await counted(world), { save: 3 }, 'it was only looked');
  await done(world, 'incremental-sync', '--no-drain');
  t.deepEqual(await counted(world), { save: 6, delete: 1 });

  await world.writer.delete('a');
  await done(world, 'reconcile');
  await done(world, 'incremental-sync', '--no-drain');
  t.deepEqual(await counted(world), { save: 6, delete: 2 });
  const { stdout } = await runCli(['status', '--json'], environmentOf(world));
  await done(world, 'undo', (JSON.parse(stdout) as { last_cycle: { plan: string } }).last_cycle.plan);
  t.deepEqual(await counted(world), { save: 6, delete: 2 }, 'what came back was not saved');

  const log = world.config.paths.log;
  const logId = world.workspace().log.logId;
  const live = await openProjector({ path: world.config.paths.projections, logPath: log, logId });
  for (const [name, options] of [
    ['bulk', { rebuilding: true, windowEvents: 2 }],
    ['one by one', { windowEvents: 1 }],
  ] as const) {
    const path = join(world.folder, `${name}.db`);
    const folded = await openProjector({ path, logPath: log, logId, ...options });
    await folded.catchUp();
    t.deepEqual(folded.meta().stats, live.meta().stats, name);
    t.is(await viewsOf(folded), await viewsOf(live), name);
    await folded.close();
  }
  await live.close();
  await done(world, 'replay');
  t.deepEqual(await counted(world), { save: 6, delete: 2 });
  await world.close();
});
