import test, { type ExecutionContext } from 'ava';
import { createWorld, type World } from '../support/world.ts';

const withWorld = (title: string, run: (t: ExecutionContext, world: World) => Promise<void>): void => {
  test(title, async (t) => {
    t.timeout(90_000);
    const world = await createWorld();
    try {
      await run(t, world);
    } finally {
      await world.close();
    }
  });
};

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
