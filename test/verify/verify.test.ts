import test from 'ava';
import { runCli } from '../support/cli.ts';
import { createWorld, environmentOf } from '../support/world.ts';

test('names in any script are compared, whatever the order in which the server lists them', async (t) => {
  t.timeout(60_000);
  const world = await createWorld();
  try {
    for (const path of ['Z', 'a', 'é', 'ä/b', 'z', 'Ω', '\u{1f600}', '\uffee'])
      await world.put(path, `bytes of ${path}`);
    await world.cycle();
    t.deepEqual(await world.differences(), []);
    await world.writer.put('é', Buffer.from('changed, and nobody told'));
    t.is((await world.differences()).length, 1);
  } finally {
    await world.close();
  }
});

test('a file whose key is another than its path is compared with its object', async (t) => {
  t.timeout(60_000);
  const world = await createWorld();
  try {
    await world.writer.put('stored/under/another', Buffer.from('x'));
    await world.append({ type: 'create', path: 'shown/as', key: 'stored/under/another', size: 1 });
    await world.cycle();
    t.deepEqual(await world.differences(), []);
  } finally {
    await world.close();
  }
});

test('while the key that a file stands for is in the bucket, it is compared with that object', async (t) => {
  t.timeout(60_000);
  const world = await createWorld();
  try {
    await world.writer.put('key', Buffer.from('content'));
    await world.put('path', 'another content', { key: 'key' });
    await world.writer.put('key', Buffer.from('content'));
    await world.append({ type: 'create', path: 'path', key: 'key', size: 7 });
    await world.cycle();
    t.deepEqual(await world.differences(), []);
  } finally {
    await world.close();
  }
});

test('a key that no path can stand for is told with its reason, and hides nothing else', async (t) => {
  t.timeout(60_000);
  const world = await createWorld();
  try {
    await world.writer.put('a//b', Buffer.from('x'));
    await world.put('c', 'y');
    await world.cycle();
    const lines = await world.differences();
    t.is(lines.length, 1);
    t.regex(lines[0] ?? '', /^!= a\/\/b .*empty segment/);
  } finally {
    await world.close();
  }
});

test('of what the bucket lacks it is told who has it', async (t) => {
  t.timeout(60_000);
  const world = await createWorld();
  try {
    await world.put('both', 'x');
    await world.cycle();
    await world.writer.delete('both');
    await world.append({ type: 'create', path: 'expected', size: 1 });
    await world.workspace().projector.catchUp();
    t.deepEqual(await world.differences(), [
      '++ both the projection has it too',
      '=+ expected only the projection has it',
    ]);
  } finally {
    await world.close();
  }
});

test('nothing is called the same that the projection says otherwise', async (t) => {
  t.timeout(60_000);
  const world = await createWorld();
  t.teardown(world.close);
  for (const name of ['same', 'untold', 'changed']) await world.put(name, 'x');
  await world.cycle();
  await world.append({ type: 'create', path: 'expected', size: 1 });
  await world.append({ type: 'create', path: 'changed', size: 2 });
  await world.append({ type: 'delete', path: 'untold' });
  await world.workspace().projector.catchUp();
  await world.release();
  const { code, stdout, stderr } = await runCli(['verify'], { ...environmentOf(world), LOG_LEVEL: 'info' });
  t.is(code, 1);
  t.deepEqual(stdout.split('\n'), [
    '* changed\tthe projection has another content',
    '+ expected\tonly the projection has it',
    '= same',
    '- untold\tthe projection lacks it',
    '',
  ]);
  t.like(JSON.parse(stderr), { same: 1, missing: 0, extra: 0, different: 0, unreadable: 0, projection: 3 });
});
