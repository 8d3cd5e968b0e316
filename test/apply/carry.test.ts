import { applyPlan } from '../../src/apply/apply.ts';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { UnreadableError } from '../../src/bucket/errors.ts';
import { serverTest } from '../support/servers.ts';
import { worldOf } from './real.ts';
import { planOf, stepOf } from './support.ts';

serverTest('fauxqs', 'a plan of every kind is carried out on a real file manager', async (t, access) => {
  const world = await worldOf(t, access);
  const first = planOf(
    await world.put('a', 'one', { permissions: '0640' }),
    await world.put('b', 'two'),
    await world.put('d/x', 'three'),
    await world.put('d/y', 'four'),
    await world.put('old/z', 'five'),
  );
  t.is((await applyPlan(first, world.options)).states.done, 5);
  t.deepEqual(await world.files(), {
    a: 'one (0640)',
    b: 'two',
    'd/x': 'three',
    'd/y': 'four',
    'old/z': 'five',
  });
  const second = planOf(
    stepOf('rename', 'a', { to: 'tmp' }),
    stepOf('rename', 'b', { to: 'a', after: [0] }),
    stepOf('rename', 'tmp', { to: 'b', after: [1] }),
    stepOf('move', 'd/x', { to: 'e/x' }),
    stepOf('delete', 'd/y'),
    stepOf('delete', 'old/', { recursive: true }),
    stepOf('update_permissions', 'e/x', { permissions: '0600', after: [3] }),
    stepOf('save', 'empty/'),
  );
  const result = await applyPlan(second, world.options);
  t.deepEqual(result.done, { rename: 3, move: 1, delete: 2, update_permissions: 1, save: 1 });
  t.is(result.stopped, undefined);
  t.deepEqual(await world.files(), { a: 'two', b: 'one (0640)', 'e/x': 'three (0600)', 'empty/': '' });
});

serverTest(
  'fauxqs',
  'permissions are set before the content can be read, under a key of their own',
  async (t, access) => {
    const readable: boolean[] = [];
    const world = await worldOf(t, access, async (request) => {
      if (request.url !== '/updatePermissions') return undefined;
      readable.push('a' in (await world.files()));
      return undefined;
    });
    const step = await world.put('a', 'secret', { permissions: '0600' });
    await applyPlan(planOf(step), world.options);
    t.deepEqual(readable, [false]);
    t.deepEqual(
      world.requests.map(({ endpoint }) => endpoint),
      ['/updatePermissions', '/saveToDisk'],
    );
    const [permissions, content] = world.requests.map(({ key }) => key);
    t.is(content, step.operation.op_id);
    t.true(permissions?.startsWith(`${step.operation.op_id}:permissions:`));
    t.deepEqual(await world.files(), { a: 'secret (0600)' });
  },
);

serverTest(
  'fauxqs',
  'permissions come from the row, else from the object, else from the default, else from nobody',
  async (t, access) => {
    const world = await worldOf(t, access);
    const stated = await world.put('stated', 'x', { permissions: '0600' });
    const unstated = await world.put('unstated', 'x');
    const metadata = { mode: '33184' };
    await world.writer.put('stated', Buffer.from('x'), { metadata });
    await world.writer.put('unstated', Buffer.from('x'), { metadata });
    const neither = await world.put('neither', 'x');
    await applyPlan(planOf(stated, unstated, neither), { ...world.options, defaultPermissions: '0604' });
    t.deepEqual(await world.files(), { stated: 'x (0600)', unstated: 'x (0640)', neither: 'x (0604)' });
    const applied = Object.fromEntries(world.options.outcomes.map(({ path, permissions }) => [path, permissions]));
    t.deepEqual(applied, { stated: '0600', unstated: '0640', neither: '0604' });
    await applyPlan(planOf(await world.put('nobody', 'x')), world.options);
    t.is((await world.files())['nobody'], 'x');
    t.false('permissions' in (world.options.outcomes.at(-1) ?? {}));
  },
);

serverTest('fauxqs', 'metadata that changed between two attempts is no conflict', async (t, access) => {
  const world = await worldOf(t, access);
  const step = await world.put('a', 'x');
  for (const mode of ['33184', '33152']) {
    await world.writer.put('a', Buffer.from('x'), { metadata: { mode } });
    t.is((await applyPlan(planOf(step), world.options)).states.done, 1);
  }
});

serverTest(
  'fauxqs',
  'an object that changed since its event is superseded, and the file manager hears nothing',
  async (t, access) => {
    const world = await worldOf(t, access);
    const changed = await world.put('changed', 'first', { permissions: '0600' });
    const gone = await world.put('gone', 'first');
    const unknown = await world.put('unknown', 'first', { etag: null });
    await world.writer.put('changed', Buffer.from('again'));
    await world.writer.put('unknown', Buffer.from('longer than before'));
    await world.writer.delete('gone');
    const result = await applyPlan(planOf(changed, gone, unknown), world.options);
    t.is(result.states.superseded, 3);
    t.deepEqual([world.requests, world.options.outcomes, result.failures], [[], [], []]);
  },
);

serverTest(
  'fauxqs',
  'a key that differs from the path is read under the key and stored under the path',
  async (t, access) => {
    const world = await worldOf(t, access);
    const { result, ...step } = await world.put('the key', 'x');
    const { operation } = stepOf('save', 'the path');
    await applyPlan(
      planOf({ ...step, operation, result: result && { ...result, path: 'the path', key: 'the key' } }),
      world.options,
    );
    t.deepEqual(await world.files(), { 'the path': 'x' });
    t.is(world.options.outcomes[0]?.key, 'the key');
  },
);

serverTest(
  'fauxqs',
  'objects that cannot be read are recorded with their reason, and block no others',
  async (t, access) => {
    const world = await worldOf(t, access);
    const archived: Bucket = {
      ...world.bucket,
      get: async (key, options) => {
        if (key.startsWith('cold')) throw new UnreadableError(`${key} is archived and must be restored first`);
        return world.bucket.get(key, options);
      },
    };
    const steps = [await world.put('cold/1', 'x'), await world.put('cold/2', 'x'), await world.put('warm', 'x')];
    const result = await applyPlan(planOf(...steps), { ...world.options, bucket: archived });
    t.deepEqual([result.states.unreadable, result.states.done, result.retries], [2, 1, 0]);
    t.deepEqual(
      result.failures.map(({ state, reason }) => [state, reason]),
      ['cold/1', 'cold/2'].map((path) => ['unreadable', `${path} is archived and must be restored first`]),
    );
  },
);

serverTest(
  'fauxqs',
  'a crash between confirmation and commit repeats the operations without a second effect',
  async (t, access) => {
    const world = await worldOf(t, access);
    await applyPlan(planOf(await world.put('a', 'one'), await world.put('b', 'two')), world.options);
    const plan = planOf(
      stepOf('rename', 'a', { to: 'tmp' }),
      stepOf('rename', 'b', { to: 'a', after: [0] }),
      stepOf('rename', 'tmp', { to: 'b', after: [1] }),
      await world.put('c', 'three', { permissions: '0600' }),
    );
    const crash = applyPlan(plan, {
      ...world.options,
      onOutcomes: async () => {
        throw new Error('killed');
      },
    });
    await t.throwsAsync(crash, { message: 'killed' });
    const result = await applyPlan(plan, world.options);
    t.is(result.states.done, 4);
    t.deepEqual(await world.files(), { a: 'two', b: 'one', c: 'three (0600)' });
    await applyPlan(plan, world.options);
    t.deepEqual(await world.files(), { a: 'two', b: 'one', c: 'three (0600)' }, 'and a third time');
  },
);

serverTest('fauxqs', 'what an outcome says is the row that the mirror must hold', async (t, access) => {
  const world = await worldOf(t, access);
  const step = await world.put('a', 'one', { permissions: '0640' });
  await applyPlan(planOf(step), world.options);
  const [outcome] = world.options.outcomes;
  t.like(outcome, {
    id: `outcome:${step.operation.op_id}`,
    type: 'outcome',
    operation: 'save',
    path: 'a',
    size: 3,
    etag: step.result?.etag as string,
    permissions: '0640',
    modifiedAt: step.result?.modified_at as string,
    fileId: step.result?.file_id as number,
    fileOffset: step.result?.offset as number,
    source: 'file-manager',
  });
  t.regex(outcome?.time ?? '', /^2026-01-02T03:04:\d\d\.\d{3}Z$/, 'the time of the injected clock');
});
