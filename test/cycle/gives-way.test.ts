import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { FailedAnswerError } from '../../src/file-manager/client-errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { scanFileManager } from '../../src/scan/scan-file-manager.ts';
import type { World } from '../support/world.ts';
import { worldTest } from '../support/world-test.ts';

const withWorld = worldTest({ timeoutMs: 90_000 });

/** Which of two places is taken, and which is free. */
const sides = [
  ['d/', 'e/'],
  ['e/', 'd/'],
] as const;

const remove = async (world: World, path: string): Promise<void> => {
  await world.writer.delete(path);
  await world.append({ type: 'delete', path });
};

/** One cycle that carries out these operations, after which there is nothing to do. */
const carriesOut = async (t: ExecutionContext, world: World, operations: readonly string[]): Promise<void> => {
  const { report, plan } = await world.cycle();
  t.deepEqual(
    plan.steps.map(({ operation: { kind, path, to } }) => `${kind} ${path}${to === undefined ? '' : ` to ${to}`}`),
    operations,
  );
  t.is(report.status, 'done');
  t.is((await world.cycle()).report.status, 'idle');
};

withWorld('a file that gave way by a rename comes back, and goes with its object', async (t, world) => {
  await world.put('a', 'the same');
  await world.cycle();
  await world.put('a/b', 'in the way');
  await world.put('c', 'the same');
  await carriesOut(t, world, ['rename a to c', 'save a/b']);
  await remove(world, 'a/b');
  await carriesOut(t, world, ['delete a/b', 'save a']);
  t.deepEqual(await world.differences(), []);
  await remove(world, 'a');
  await carriesOut(t, world, ['delete a']);
  t.deepEqual(await world.differences(), []);
});

withWorld('files that gave way with their whole folder come back', async (t, world) => {
  for (const name of ['x', 'y']) await world.put(`d/${name}`, `content of ${name}`);
  await world.cycle();
  for (const name of ['x', 'y']) {
    await world.put(`d/${name}/beneath`, `in the way of ${name}`);
    await world.put(`e/${name}`, `content of ${name}`);
  }
  await carriesOut(t, world, ['rename d/ to e/', 'save d/x/beneath', 'save d/y/beneath']);
  for (const name of ['x', 'y']) await remove(world, `d/${name}/beneath`);
  await carriesOut(t, world, ['delete d/x/beneath', 'save d/x', 'delete d/y/beneath', 'save d/y']);
  t.deepEqual(await world.differences(), []);
});

withWorld('a file that comes back by a rename gives way again', async (t, world) => {
  for (const path of ['a', 'c']) await world.put(path, 'the same');
  await world.cycle();
  await world.put('a/b', 'in the way');
  await carriesOut(t, world, ['delete a', 'save a/b']);
  for (const path of ['a/b', 'c']) await remove(world, path);
  await carriesOut(t, world, ['delete a/b', 'rename c to a']);
  await world.put('a/b', 'in the way again');
  await carriesOut(t, world, ['delete a', 'save a/b']);
  await remove(world, 'a/b');
  await carriesOut(t, world, ['delete a/b', 'save a']);
  t.deepEqual(await world.differences(), []);
});

withWorld('a whole folder goes to and fro between two places that are taken by turns', async (t, world) => {
  const names = ['x', 'y'];
  const takePlaces = async (folder: string): Promise<void> => {
    for (const name of names) await world.put(`${folder}${name}/beneath`, `in the way of ${folder}${name}`);
  };
  for (const name of names) for (const folder of ['d/', 'e/']) await world.put(folder + name, `content of ${name}`);
  await takePlaces('e/');
  await world.cycle();
  for (const [taken, free] of [...sides, ...sides, ...sides]) {
    await takePlaces(taken);
    for (const name of names) await remove(world, `${free}${name}/beneath`);
    await carriesOut(t, world, [
      `delete ${free}x/beneath`,
      `delete ${free}y/beneath`,
      `rename ${taken} to ${free}`,
      `save ${taken}x/beneath`,
      `save ${taken}y/beneath`,
    ]);
    t.deepEqual(
      await world.differences(),
      names.map((name) => `-= ${taken}${name} `),
    );
  }
});

withWorld('a file that was put right in between gives way again', async (t, world) => {
  const { bucket, client: fileManager } = world;
  const givesWayAndComesBack = async (): Promise<void> => {
    await world.put('a/b', 'in the way');
    await carriesOut(t, world, ['delete a', 'save a/b']);
    await remove(world, 'a/b');
    await carriesOut(t, world, ['delete a/b', 'save a']);
  };
  await world.put('a', 'content', { permissions: '0644' });
  await world.cycle();
  await givesWayAndComesBack();
  await fileManager.updatePermissions('a', '0600', { idempotencyKey: 'past-the-service' });
  await scanFileManager({ workspace: world.workspace(), bucket, fileManager });
  await carriesOut(t, world, ['update_permissions a']);
  await givesWayAndComesBack();
  await writeFile(join(world.folder, 'files/a'), 'other content, and longer');
  await scanFileManager({ workspace: world.workspace(), bucket, fileManager });
  await carriesOut(t, world, ['save a']);
  await givesWayAndComesBack();
  t.deepEqual(await world.differences(), []);
});

withWorld('a file that is renamed onto what nothing is known of gives way again', async (t, world) => {
  const fileManager: FileManager = {
    ...world.client,
    saveToDisk: async (path, content, options) => {
      if (path === 'a') throw new FailedAnswerError('answered 500');
      return world.client.saveToDisk(path, content, options);
    },
  };
  const failing = { fileManager, retry: { attemptsMax: 1 } };
  await world.put('a', 'the same');
  await world.cycle();
  await world.put('a/b', 'in the way');
  await carriesOut(t, world, ['delete a', 'save a/b']);
  await world.put('c', 'the same');
  await carriesOut(t, world, ['save c']);
  await remove(world, 'a/b');
  for (let times = 0; times < 2; times += 1) t.is((await world.cycle(failing)).report.status, 'partial');
  await remove(world, 'c');
  const { plan } = await world.cycle(failing);
  t.is(plan.steps[0]?.operation.kind, 'rename');
  await world.put('a/b', 'in the way again');
  await carriesOut(t, world, ['delete a', 'save a/b']);
  await remove(world, 'a/b');
  await carriesOut(t, world, ['delete a/b', 'save a']);
  t.deepEqual(await world.differences(), []);
});
