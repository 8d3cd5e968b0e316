import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { FileRow } from '../../projections/rows.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { keepUndo, readUndo } from '../../src/plan/undo.ts';
import { changesBetween } from '../plan/model.ts';
import { row } from '../plan/tables.ts';
import { runCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { createWorld, environmentOf, type World } from '../support/world.ts';
import { worldTest } from '../support/world-test.ts';

const hourMs = 3_600_000;

const withWorld = worldTest({ timeoutMs: 120_000, trashRetentionMs: hourMs });

/** What the file manager holds: permissions by path. */
const held = async (world: World): Promise<Record<string, string | null>> => {
  const files: Record<string, string | null> = {};
  for await (const { path, permissions } of world.client.list()) files[path] = permissions;
  return files;
};

const remove = async (world: World, path: string): Promise<void> => {
  await world.writer.delete(path);
  await world.append({ type: 'delete', path });
};

/** A world whose last plan deleted `a` and what was left of the folder `d/`, and moved a file out of it. */
const afterDeletes = async (world: World): Promise<string> => {
  await world.put('a', 'content of a', { permissions: '0640' });
  for (const path of ['d/x', 'd/y', 'd/z', 'keep']) await world.put(path, `content of ${path}`);
  await world.cycle();
  await world.writer.copy('d/z', 'e');
  await world.append({ type: 'move', path: 'd/z', to: 'e' });
  for (const path of ['a', 'd/x', 'd/y']) await remove(world, path);
  await world.writer.delete('d/z');
  const { plan, report } = await world.cycle();
  if (report.status !== 'done') throw new Error(JSON.stringify(report));
  return plan.id;
};

withWorld('undo brings back what a plan deleted, and nothing deletes it again without a person', async (t, world) => {
  const plan = await afterDeletes(world);
  t.deepEqual(Object.keys(await held(world)), ['e', 'keep']);
  await world.put('later', 'content');
  await world.release();
  const env = environmentOf(world);

  const undone = await runCli(['undo', plan.slice(0, 6)], env);
  t.is(undone.code, 0, undone.stderr);
  t.regex(undone.stdout, /3 files that plan .* are back.*The bucket still lacks them/s);
  t.deepEqual(
    undone.stdout.split('\n').filter((line) => line.length > 80),
    [],
  );
  t.deepEqual(await held(world), { a: '0640', 'd/x': null, 'd/y': null, e: null, keep: null });
  const verified = await runCli(['verify', '--checksum'], env);
  t.deepEqual(
    verified.stdout.split('\n').filter((line) => line.startsWith('+')),
    ['+ a', '+ d/x', '+ d/y'],
    'the bucket lacks them, and the trash shows nowhere',
  );

  const cycle = await runCli(['incremental-sync', '--no-drain', '--json'], env);
  t.is(cycle.code, 0, cycle.stderr);
  const report = JSON.parse(cycle.stdout) as { operations: object; withheld: { plan: string; files: number } };
  t.deepEqual(report.operations, { save: 1 }, 'everything else goes on');
  t.is(report.withheld.files, 3);
  const idle = await runCli(['incremental-sync', '--no-drain', '--json'], env);
  t.like(JSON.parse(idle.stdout), { status: 'idle', withheld: report.withheld });
  t.regex(
    (await runCli(['status'], env)).stdout,
    new RegExp(`HOLDS plan ${report.withheld.plan}: 3 files were brought`),
  );
  const shown = await runCli(['plan'], env);
  t.regex(
    shown.stdout,
    new RegExp(`Nothing to do but what waits for a person.*Plan ${report.withheld.plan}.*apply`, 's'),
  );
  t.is(shown.code, 0, 'the gate holds nothing that a cycle would do');
  t.true('d/x' in (await held(world)));

  const again = await runCli(['undo', plan, '--json'], env);
  t.deepEqual(JSON.parse(again.stdout), { plan, restored: [], skipped: [], not_in_trash: [] });
  t.regex(
    (await runCli(['undo', plan], env)).stdout,
    /^0 files .*\n3 came back by an earlier undo of this plan already/,
  );
  t.is((await runCli(['replay'], env)).code, 0);
  t.is(
    (JSON.parse((await runCli(['incremental-sync', '--no-drain', '--json'], env)).stdout) as typeof report).withheld
      .plan,
    report.withheld.plan,
    'a rebuild of the projections knows it too',
  );

  // More is waiting by now.
  await world.writer.put('beside', Buffer.from('content'));
  t.is((await runCli(['reconcile'], env)).code, 0);
  const applied = await runCli(['apply', report.withheld.plan], env);
  t.is(applied.code, 0, applied.stderr);
  t.deepEqual(
    Object.keys(await held(world)),
    ['beside', 'e', 'keep', 'later'],
    'the same file is really deleted once more',
  );
  t.is((await runCli(['verify', '--checksum'], env)).code, 0);
  const last = JSON.parse((await runCli(['status', '--json'], env)).stdout) as {
    last_cycle: { plan: string };
    gate: { held_plans: unknown[] };
  };
  t.deepEqual(last.gate.held_plans, []);
  t.is((await runCli(['undo', last.last_cycle.plan], env)).code, 0);
  t.true('a' in (await held(world)), 'and can be brought back once more');
});

withWorld('a folder that was brought back whole is deleted again by the plan that waits for it', async (t, world) => {
  for (let at = 0; at < 40; at++) await world.put(at < 15 ? `d/${at}` : `keep${at}`, `content ${at}`);
  await world.cycle();
  for (let at = 0; at < 15; at++) await remove(world, `d/${at}`);
  const { plan, report } = await world.cycle();
  t.is(report.status, 'held');
  await world.release();
  const env = environmentOf(world);
  t.is((await runCli(['apply', plan.id], env)).code, 0);
  t.is((await runCli(['undo', plan.id], env)).code, 0);
  t.is(Object.keys(await held(world)).length, 40);
  const { withheld } = JSON.parse((await runCli(['incremental-sync', '--no-drain', '--json'], env)).stdout) as {
    withheld: { plan: string };
  };
  const applied = await runCli(['apply', withheld.plan], env);
  t.is(applied.code, 0, applied.stdout + applied.stderr);
  t.is(Object.keys(await held(world)).length, 25);
  const again = await runCli(['apply', withheld.plan], env);
  t.is(again.code, 1);
  t.regex(again.stderr, /there is no plan/);
});

withWorld('a held plan that means nothing any more carries nothing else out', async (t, world) => {
  for (let at = 0; at < 20; at++) await world.put(`f${at}`, `content ${at}`);
  await world.cycle();
  for (let at = 0; at < 15; at++) await remove(world, `f${at}`);
  const { plan } = await world.cycle();
  for (let at = 0; at < 15; at++) await world.put(`f${at}`, `content ${at}`);
  await world.put('new', 'content');
  await world.release();
  const applied = await runCli(['apply', plan.id], environmentOf(world));
  t.is(applied.code, 1);
  t.regex(applied.stderr, /has moved on; the plan is [0-9a-f]{16} now/);
  t.false('new' in (await held(world)));
  t.is((await runCli(['incremental-sync', '--no-drain'], environmentOf(world))).code, 0);
  const late = await runCli(['apply', plan.id], environmentOf(world));
  t.regex(late.stderr, /has moved on; nothing is planned now/);
});

withWorld(
  'a file whose place is taken stays in the trash, is named, and comes back once it is free',
  async (t, world) => {
    const plan = await afterDeletes(world);
    await world.put('a', 'another content');
    await world.cycle();
    await world.release();
    const env = environmentOf(world);
    const first = await runCli(['undo', plan], env);
    t.is(first.code, 1);
    t.regex(first.stdout, /2 files.*! a: .*exists by now/s);
    t.is(
      await (await world.client.read('a')).toArray().then((chunks) => Buffer.concat(chunks).toString()),
      'another content',
    );
    await world.client.rename('a', 'b', { idempotencyKey: 'by-hand' });
    const second = await runCli(['undo', plan, '--json'], env);
    t.deepEqual(JSON.parse(second.stdout), { plan, restored: ['a'], skipped: [], not_in_trash: [] });
    t.true('a' in (await held(world)));
  },
);

withWorld('a file that the bucket holds again is no longer withheld', async (t, world) => {
  const plan = await afterDeletes(world);
  await world.release();
  t.is((await runCli(['undo', plan], environmentOf(world))).code, 0);
  await world.writer.put('a', Buffer.from('new content'));
  t.is((await runCli(['reconcile'], environmentOf(world))).code, 0);
  const cycle = await runCli(['incremental-sync', '--no-drain', '--json'], environmentOf(world));
  t.like(JSON.parse(cycle.stdout), { operations: { save: 1 }, withheld: { files: 2 } });
});

test('a damaged record is named, and stands in no other one’s way; a new one stays, whatever the clock said before', async (t) => {
  const folder = await freshFolder();
  t.teardown(() => removeFolder(folder));
  const path = 'gone.txt';
  const deleting = planChanges(changesBetween([row(path, 1)], []));
  const ahead = new Date('2099-01-01T00:00:00Z');
  for (let at = 0; at < 50; at++) {
    const record = join(folder, `${at.toString(16).padStart(16, '0')}.undo`);
    await writeFile(record, '{"op_id":"');
    await utimes(record, ahead, ahead);
  }
  await keepUndo(folder, deleting, changesBetween([row(path, 1)], []));
  t.is((await readUndo(folder, deleting.id)).deletions[0]?.path, path);
  t.is((await readdir(folder)).length, 50);
  await t.throwsAsync(readUndo(folder, '0'.repeat(15)), { message: /beginning of several/ });
  await t.throwsAsync(readUndo(folder, `${'0'.repeat(14)}30`), { message: /30\.undo is damaged/ });
  await t.throwsAsync(readUndo(folder, 'ffff'), {
    message: /kept are\n {2}0+\S+ {2}2099.*damaged\n(.*\n)*.*and 40 older$/,
  });
});

test('deletes that are planned again and again push out no record of others', async (t) => {
  const folder = await freshFolder();
  t.teardown(() => removeFolder(folder));
  const keep = async (...rows: FileRow[]): Promise<string> => {
    const changes = changesBetween(rows, []);
    const plan = planChanges(changes);
    await keepUndo(folder, plan, changes);
    return plan.id;
  };
  const done = await keep(row('a', 1), row('b', 2));
  const waiting = await keep(row('b', 2));
  t.is((await readUndo(folder, done)).deletions.length, 2, 'one of its deletes is not planned again');
  const again = await keep(row('b', 2), row('c', 3));
  t.deepEqual((await readdir(folder)).sort(), [done, again].map((id) => `${id}.undo`).sort());
  t.not(again, waiting);
});

test("a record that cannot be read stands in no cycle's way", async (t) => {
  const folder = await freshFolder();
  t.teardown(() => removeFolder(folder));
  await mkdir(join(folder, `${'0'.repeat(16)}.undo`));
  const changes = changesBetween([row('a', 1)], []);
  const plan = planChanges(changes);
  await keepUndo(folder, plan, changes);
  t.is((await readUndo(folder, plan.id)).deletions.length, 1);
});

test('undo says what it cannot do: no such plan, no trash', async (t) => {
  const world = await createWorld();
  const plan = await afterDeletes(world);
  await world.release();
  const unknown = await runCli(['undo', '0123456789'], environmentOf(world));
  t.is(unknown.code, 1);
  t.regex(
    unknown.stderr,
    new RegExp(
      `no plan that deleted anything was carried out under the id "0123456789"; kept are\\n  ${plan}  2.*Z  3 files`,
    ),
  );
  const without = await runCli(['undo', plan], environmentOf(world));
  t.is(without.code, 1);
  t.regex(without.stderr, /keeps no trash/);
  await world.close();
});

withWorld('undo records what it brings back also where the folder around it has moved', async (t, world) => {
  for (const path of ['d/x', 'd/y', 'd/z', 'keep']) await world.put(path, `content of ${path}`);
  await world.writer.put('mark/', Buffer.alloc(0));
  await world.append({ type: 'create', path: 'mark/', size: 0 });
  await world.cycle();
  for (const path of ['d/y', 'd/z']) await world.writer.copy(path, path.replace('d/', 'e/'));
  for (const path of ['d/x', 'd/y', 'd/z', 'mark/']) await world.writer.delete(path);
  await world.append({ type: 'delete', path: 'd/x' });
  await world.append({ type: 'delete', path: 'mark/', scope: 'marker' });
  await world.append({ type: 'rename', path: 'd/', to: 'e/' });
  const { plan, report } = await world.cycle();
  t.deepEqual(report.operations, { delete: 2, rename: 1 });
  await world.release();
  const undone = await runCli(['undo', plan.id, '--json'], environmentOf(world));
  t.is(undone.code, 0, undone.stdout + undone.stderr);
  t.like(JSON.parse(undone.stdout), { restored: ['d/x'], skipped: [], not_in_trash: [] });
  const synced = await runCli(['incremental-sync', '--no-drain'], environmentOf(world));
  t.regex(synced.stdout, /withheld +1 delete of a file that was brought back/);
});
