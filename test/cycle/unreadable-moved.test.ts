import test from 'ava';
import type { FileRow } from '../../projections/rows.ts';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { UnreadableError } from '../../src/bucket/errors.ts';
import { type Deletion, deletionsOf, undoOutcome } from '../../src/plan/undo.ts';
import { createWorld, startRecorder, type World } from '../support/world.ts';

const minuteMs = 60_000;

/** Cycles by a clock of their own in a bucket where some objects may not be read. */
const deniedIn = (world: World, denied: Set<string>) => {
  const asked: string[] = [];
  const bucket: Bucket = {
    ...world.bucket,
    head: (key, options) => (asked.push(`head ${key}`), world.bucket.head(key, options)),
    get: async (key, options) => {
      asked.push(`get ${key}`);
      if (denied.has(key)) throw new UnreadableError(`read "${key}": access denied`);
      return world.bucket.get(key, options);
    },
  };
  /** What a cycle planned, and which objects it asked for. */
  return async (minute: number, options = {}) => {
    asked.length = 0;
    const now = () => Date.UTC(2026, 0, 1) + minute * minuteMs;
    const { plan, waiting } = await world.cycle({ bucket, now, ...options });
    const steps = plan.steps.map(({ operation: { kind, path, to } }) => [kind, path, to ?? []].flat().join(' '));
    return { steps, asked: [...asked], waiting };
  };
};

/** The object is replaced by another of its name, as a delete and a create tell it. */
const makeAnew = async (world: World, path: string, text: string): Promise<void> => {
  await world.append({ type: 'delete', path });
  await world.put(path, text);
};

const remove = async (world: World, path: string): Promise<void> => {
  await world.writer.delete(path);
  await world.append({ type: 'delete', path });
};

const contentOf = async (world: World, path: string): Promise<string> =>
  (await (await world.client.read(path)).toArray()).map(String).join('');

test('of a file that was made anew, and whose next event never comes, the bucket is asked', async (t) => {
  const world = await createWorld();
  const cycleAt = deniedIn(world, new Set());
  await world.put('a', 'first');
  await cycleAt(0);
  await makeAnew(world, 'a', 'second');
  await world.writer.put('a', Buffer.from('third, whose event is lost'));
  const asked: string[] = [];
  for (let minute = 1; minute <= 12; minute += 1) asked.push(...(await cycleAt(minute)).asked);
  t.deepEqual(asked, ['get a', 'get a', 'get a', 'head a', 'get a']);
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('an object that may not be read is asked for seldom and told of once, also where it replaces another file', async (t) => {
  const world = await createWorld();
  const denied = new Set<string>();
  const cycleAt = deniedIn(world, denied);
  const recorder = await startRecorder();
  await world.put('a', 'first');
  await cycleAt(0);
  denied.add('a');
  await makeAnew(world, 'a', 'second');
  const asked: string[] = [];
  for (let minute = 1; minute <= 5; minute += 1)
    asked.push(...(await cycleAt(minute, { reportEndpoints: [{ url: recorder.url }] })).asked);
  t.deepEqual(asked, ['get a']);
  t.is(recorder.bodies.length, 1);
  t.is(await contentOf(world, 'a'), 'first', 'what it would replace stays');
  recorder.server.close();
  await world.close();
});

test('a rename that is told as a create, and a cycle later a delete, moves a file whose object may not be read', async (t) => {
  const world = await createWorld();
  const cycleAt = deniedIn(world, new Set(['b']));
  await world.put('a', 'content');
  await cycleAt(0);
  await world.put('b', 'content');
  t.deepEqual((await cycleAt(1)).asked, ['get b']);
  await remove(world, 'a');
  t.deepEqual((await cycleAt(2)).steps, ['rename a b']);
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('what is superseded is not brought by a rename: the object has that content no more', async (t) => {
  const world = await createWorld();
  const cycleAt = deniedIn(world, new Set());
  await world.put('a', 'content');
  await cycleAt(0);
  await world.put('b', 'content');
  await world.writer.put('b', Buffer.from('its event is lost'));
  t.deepEqual((await cycleAt(1)).asked, ['get b']);
  await remove(world, 'a');
  t.deepEqual((await cycleAt(1.5)).steps, ['delete a']);
  for (const minute of [3, 6, 11]) await cycleAt(minute);
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('two files that swap their names, told over two cycles, are renamed where neither object may be read', async (t) => {
  const world = await createWorld();
  const denied = new Set<string>();
  const cycleAt = deniedIn(world, denied);
  await world.put('a', 'one');
  await world.put('b', 'two');
  await cycleAt(0);
  for (const path of ['a', 'b']) denied.add(path);
  await makeAnew(world, 'a', 'two');
  t.deepEqual((await cycleAt(1)).asked, ['get a']);
  await makeAnew(world, 'b', 'one');
  t.deepEqual((await cycleAt(2)).asked, []);
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('what an object that may not be read would replace goes where it is wanted', async (t) => {
  const world = await createWorld();
  const denied = new Set<string>();
  const cycleAt = deniedIn(world, denied);
  await world.put('a', 'content');
  await cycleAt(0);
  for (const path of ['a', 'b']) denied.add(path);
  await makeAnew(world, 'a', 'other');
  t.deepEqual((await cycleAt(1)).steps, ['save a']);
  await world.put('b', 'content');
  t.deepEqual((await cycleAt(2)).steps, ['rename a b', 'save a']);
  t.is(await contentOf(world, 'b'), 'content');
  await world.close();
});

test('an object that may not be read waits where a rename is refused as a tie', async (t) => {
  const world = await createWorld();
  const denied = new Set<string>();
  const cycleAt = deniedIn(world, denied);
  await world.put('a', 'content');
  await cycleAt(0);
  for (const path of ['a', 'b', 'c']) denied.add(path);
  await makeAnew(world, 'a', 'other');
  for (const path of ['b', 'c']) await world.put(path, 'content');
  t.deepEqual((await cycleAt(1)).steps, ['save a', 'save b', 'save c']);
  const { asked, waiting } = await cycleAt(2);
  t.deepEqual([asked, waiting], [[], 3]);
  await world.close();
});

test('an object that may not be read waits where the file manager has lost the file that was renamed', async (t) => {
  const world = await createWorld();
  const cycleAt = deniedIn(world, new Set(['b', 'd']));
  await world.put('a', 'content');
  await world.put('c', 'other');
  await cycleAt(0);
  for (const path of ['a', 'c']) await world.client.delete(path, { idempotencyKey: path });
  await world.append({ type: 'rename', path: 'a', to: 'b' });
  await remove(world, 'c');
  await world.put('d', 'other');
  t.deepEqual((await cycleAt(1)).steps, ['rename a b', 'rename c d']);
  t.deepEqual((await cycleAt(2)).steps, ['delete a', 'delete c']);
  t.deepEqual(await cycleAt(3), { steps: [], asked: [], waiting: 2 });
  await world.close();
});

test('files that swap their names are put right where the file manager has lost one of them', async (t) => {
  const world = await createWorld();
  const cycleAt = deniedIn(world, new Set());
  await world.put('a', 'one');
  await world.put('b', 'two');
  await cycleAt(0);
  await world.client.delete('a', { idempotencyKey: 'a' });
  await world.writer.put('a', Buffer.from('two'));
  await world.writer.put('b', Buffer.from('one'));
  for (const [path, to] of [
    ['a', 'aside'],
    ['b', 'a'],
    ['aside', 'b'],
  ] as const)
    await world.append({ type: 'rename', path, to });
  for (const minute of [1, 2]) await cycleAt(minute);
  t.deepEqual(await world.differences(), []);
  t.deepEqual((await cycleAt(3)).steps, []);
  await world.close();
});

test('of an object whose next event never comes the bucket is asked where the file manager has lost what it was', async (t) => {
  const world = await createWorld();
  const cycleAt = deniedIn(world, new Set());
  await world.put('a', 'content');
  await cycleAt(0);
  await world.client.delete('a', { idempotencyKey: 'a' });
  await world.append({ type: 'rename', path: 'a', to: 'b' });
  await world.writer.delete('a');
  await world.writer.put('b', Buffer.from('other, whose event is lost'));
  for (let minute = 1; minute <= 15; minute += 1) await cycleAt(minute);
  t.deepEqual(await world.differences(), []);
  await world.close();
});

test('an object that may not be read waits where the file of its content is one that a person has brought back', async (t) => {
  const world = await createWorld();
  const cycleAt = deniedIn(world, new Set(['b']));
  await world.put('a', 'content');
  await cycleAt(0);
  const row = await world.workspace().projector.database.get<FileRow>('SELECT * FROM mirror');
  await remove(world, 'a');
  const { plan } = await world.cycle();
  const [deletion] = deletionsOf(plan, [{ path: 'a', have: row as FileRow, want: null }]);
  const { log } = world.workspace();
  await log.append([undoOutcome(deletion as Deletion, row as FileRow, await log.last(), new Date().toISOString())]);
  await world.put('b', 'content');
  t.deepEqual((await cycleAt(1)).asked, ['get b']);
  t.deepEqual((await cycleAt(2)).asked, []);
  await world.close();
});
