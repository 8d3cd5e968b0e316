import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { besideIn } from '../../src/diff/beside.ts';
import { mergeSnapshots } from '../../src/diff/diff.ts';
import { RetryableError } from '../../src/errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { planDiff } from '../../src/plan/plan-diff.ts';
import { releasePlan } from '../../src/plan/store.ts';
import { randomOf, seedOf } from '../support/seed.ts';
import { startRecorder } from '../support/world.ts';
import { worldTest } from '../support/world-test.ts';

const withWorld = worldTest({ timeoutMs: 120_000 });

/** The file manager, with every call noted. */
const noted = (client: FileManager, calls: string[]): FileManager => ({
  ...client,
  saveToDisk: (path, ...rest) => (calls.push(`save ${path}`), client.saveToDisk(path, ...rest)),
  updatePermissions: (path, ...rest) => (calls.push(`permissions ${path}`), client.updatePermissions(path, ...rest)),
  delete: (path, ...rest) => (calls.push(`delete ${path}`), client.delete(path, ...rest)),
  rename: (path, ...rest) => (calls.push(`rename ${path}`), client.rename(path, ...rest)),
  move: (path, ...rest) => (calls.push(`move ${path}`), client.move(path, ...rest)),
  describe: (...rest) => (calls.push('describe'), client.describe(...rest)),
});

withWorld('a cycle carries every kind of change over, and a second one asks nothing', async (t, world) => {
  await world.put('a', 'one', { permissions: '0640' });
  await world.put('d/x', 'two');
  await world.put('d/y', 'three');
  const calls: string[] = [];
  const fileManager = noted(world.client, calls);
  t.is((await world.cycle({ fileManager })).report.status, 'done');
  t.deepEqual(await world.differences(), []);
  t.deepEqual(calls.sort(), ['describe', 'save a', 'save d/x', 'save d/y']);

  for (const path of ['d/x', 'd/y']) await world.writer.copy(path, path.replace('d/', 'e/'));
  for (const path of ['d/x', 'd/y']) await world.writer.delete(path);
  await world.append({ type: 'rename', path: 'd/', to: 'e/' });
  await world.append({ type: 'change_permission', path: 'a', permissions: '0600' });
  await world.put('e/x', 'two, renewed');
  calls.length = 0;
  const { report } = await world.cycle({ fileManager });
  t.deepEqual(report.operations, { rename: 1, update_permissions: 1, save: 1 });
  t.deepEqual(await world.differences(), []);

  calls.length = 0;
  t.is((await world.cycle({ fileManager })).report.status, 'idle');
  t.deepEqual(calls, []);
});

withWorld('a folder of its own has permissions of its own, from its first cycle on', async (t, world) => {
  await world.writer.put('d/', Buffer.alloc(0));
  await world.append({ type: 'create', path: 'd/', size: 0, permissions: '0750' });
  await world.put('d/x', 'content', { permissions: '0600' });
  const held = async (): Promise<unknown> => {
    const all: Record<string, string | null> = {};
    for await (const { path, permissions } of world.client.list()) all[path] = permissions;
    return all;
  };
  t.is((await world.cycle()).report.status, 'done');
  t.deepEqual(await held(), { 'd/': '0750', 'd/x': '0600' });
  await world.append({ type: 'create', path: 'd/', size: 0, permissions: '0700' });
  t.deepEqual((await world.cycle()).report.operations, { update_permissions: 1 });
  t.deepEqual(await held(), { 'd/': '0700', 'd/x': '0600' });
  await world.append({ type: 'change_permission', path: 'd/', permissions: '0640' });
  t.deepEqual((await world.cycle()).report.operations, { update_permissions: 1 });
  t.deepEqual(await held(), { 'd/': '0640', 'd/x': '0640' });
  t.is((await world.cycle()).report.status, 'idle');
});

withWorld('permissions of a folder that moves are carried over in the cycle that moves it', async (t, world) => {
  for (const path of ['d/', 'd/sub/', 'alone/']) {
    await world.writer.put(path, Buffer.alloc(0));
    await world.append({ type: 'create', path, size: 0 });
  }
  await world.put('d/sub/x', 'content', { permissions: '0600' });
  await world.cycle();
  await world.append({ type: 'rename', path: 'd/', to: 'e/' });
  await world.append({ type: 'create', path: 'e/sub/', size: 0, permissions: '0700' });
  await world.append({ type: 'rename', path: 'alone/', to: 'elsewhere/' });
  await world.append({ type: 'change_permission', path: 'elsewhere/', permissions: '0750' });
  const { report } = await world.cycle();
  t.deepEqual(report.operations, { rename: 2, update_permissions: 2 });
  const held: Record<string, string | null> = {};
  for await (const { path, permissions } of world.client.list()) held[path] = permissions;
  t.like(held, { 'e/sub/': '0700', 'e/sub/x': '0600', 'elsewhere/': '0750' });
  t.is((await world.cycle()).report.status, 'idle');
});

withWorld('a full cycle plans the same operations as one over the dirty rows', async (t, world) => {
  for (let at = 0; at < 30; at++) await world.put(`d${at % 3}/f${at}`, `content ${at}`);
  await world.cycle();
  await world.append({ type: 'move', path: 'd0/f0', to: 'd1/f0' });
  await world.append({ type: 'delete', path: 'd1/f1' });
  await world.append({ type: 'rename', path: 'd2/', to: 'd9/' });
  const dirty = await world.cycle({ dryRun: true });
  const full = await world.cycle({ dryRun: true, full: true });
  t.deepEqual(full.plan.steps, dirty.plan.steps);
  t.is(full.plan.id, dirty.plan.id);
  const rows = (await readFile(join(dirty.folder, 'new.csv'), 'utf8')).trim().split('\n').length - 1;
  t.is(rows, 11, 'the dirty export holds what changed and nothing else: a moved file, and ten of a renamed folder');
});

withWorld(
  "the gate holds a cycle that deletes too much, survives a restart, and is released by the plan's id only",
  async (t, world) => {
    for (let at = 0; at < 20; at++) await world.put(`f${at}`, `content ${at}`);
    await world.cycle();
    for (let at = 0; at < 15; at++) {
      await world.writer.delete(`f${at}`);
      await world.append({ type: 'delete', path: `f${at}` });
    }
    const held = await world.cycle();
    t.is(held.report.status, 'held');
    t.regex(held.report.held.join(), /15 of 20 files, 75 %/);
    await world.restart();
    t.is((await world.cycle()).report.status, 'held');
    const plans = join(world.config.paths.data, 'plans');
    await releasePlan(plans, '0123456789abcdef');
    t.is((await world.cycle()).report.status, 'held', 'another id releases nothing');
    await releasePlan(plans, held.plan.id);
    t.is((await world.cycle()).report.status, 'done');
    t.deepEqual(await world.differences(), []);
  },
);

withWorld('what a failing file manager did not take comes up again in the next cycle', async (t, world) => {
  for (let at = 0; at < 12; at++) await world.put(`f${at}`, `content ${at}`);
  let calls = 0;
  const failing: FileManager = {
    ...world.client,
    saveToDisk: async (path, content, options) => {
      calls += 1;
      if (calls % 2 === 0) throw new RetryableError('answered 503', { retryAfterMs: 1 });
      return world.client.saveToDisk(path, content, options);
    },
  };
  const down: FileManager = {
    ...world.client,
    saveToDisk: async () => Promise.reject(new RetryableError('refused the connection', { retryAfterMs: 1 })),
  };
  const first = await world.cycle({ fileManager: down });
  t.is(first.report.status, 'partial');
  t.regex(first.report.stopped ?? '', /failed again and again/, 'the breaker ends the cycle early');
  t.is((await world.cycle({ fileManager: failing })).report.status, 'done', 'retries get through');
  t.deepEqual(await world.differences(), []);
});

withWorld(
  'an effect whose outcome was lost in a crash is not done twice, and the next cycle ends equal',
  async (t, world) => {
    await world.put('a', 'one');
    await world.put('b', 'two');
    await world.cycle();
    await world.writer.put('a', Buffer.from('two'));
    await world.writer.put('b', Buffer.from('one'));
    await world.append({ type: 'rename', path: 'a', to: 'c' });
    await world.append({ type: 'rename', path: 'b', to: 'a' });
    await world.append({ type: 'rename', path: 'c', to: 'b' });
    const { log } = world.workspace();
    const crashing = {
      ...world.workspace(),
      log: { ...log, append: async () => Promise.reject(new Error('crashed before the commit')) },
    };
    await t.throwsAsync(world.cycle({ workspace: crashing }), { message: /crashed/ });
    await world.restart();
    t.is((await world.cycle()).report.status, 'done');
    t.deepEqual(await world.differences(), []);
  },
);

withWorld('the question what the file manager can do is repeated like any other request', async (t, world) => {
  await world.put('a', 'one');
  let asked = 0;
  let failing = 2;
  const fileManager: FileManager = {
    ...world.client,
    describe: async (...rest) => {
      asked += 1;
      if (failing-- > 0) throw new RetryableError('GET / of the file manager answered 503', { retryAfterMs: 1 });
      return world.client.describe(...rest);
    },
  };
  t.is((await world.cycle({ fileManager })).report.status, 'done');
  t.is(asked, 3);
  await world.put('b', 'two');
  failing = 1_000;
  asked = 0;
  const retry = { attemptsMax: 2 };
  await t.throwsAsync(world.cycle({ fileManager, retry }), { instanceOf: RetryableError, message: /503/ });
  t.is(asked, 2, 'within the limits');
  const stopped = AbortSignal.abort();
  failing = 0;
  t.is((await world.cycle({ fileManager, signal: stopped })).report.status, 'partial', 'a stop still ends in a report');
});

withWorld('an object that changed since its event is superseded, not failed and not mixed', async (t, world) => {
  await world.put('a', 'announced');
  await world.writer.put('a', Buffer.from('already something else'));
  const { report } = await world.cycle();
  t.is(report.states.superseded, 1);
  t.is(report.states.failed, 0);
  await world.put('a', 'and now announced too');
  t.is((await world.cycle()).report.status, 'done');
  t.deepEqual(await world.differences(), []);
});

withWorld('reports reach every endpoint at least once, and a dead one fails nothing', async (t, world) => {
  const alive = await startRecorder();
  const dead = await startRecorder(500);
  const reportEndpoints = [{ url: alive.url }, { url: dead.url }];
  await world.put('a', 'one');
  t.is((await world.cycle({ reportEndpoints })).report.status, 'done');
  t.is(alive.bodies.length, 1);
  t.is(dead.bodies.length, 0);
  dead.answer(204);
  t.is((await world.cycle({ reportEndpoints })).report.status, 'idle');
  t.is(dead.bodies.length, 1, 'delivered in a later cycle');
  t.is(alive.bodies.length, 1, 'an idle cycle reports nothing');
  alive.server.close();
  dead.server.close();
});

withWorld('a file that cannot stand beside a folder of its name is visible, and gives way', async (t, world) => {
  await world.put('a', 'file');
  await world.cycle();
  await world.put('a/b', 'beneath');
  const { report, plan } = await world.cycle();
  t.deepEqual(
    report.unplaceable.map(({ path }) => path),
    ['a'],
  );
  t.deepEqual(plan.unplaceable, report.unplaceable);
  t.regex(plan.steps.find(({ operation }) => operation.path === 'a')?.why ?? '', /^it gives way: .*beside "a\/b"/);
  t.deepEqual(
    await world.differences(),
    ['-= a '].map((line) => line),
    'only a is missing',
  );
  const again = await world.cycle();
  t.is(again.plan.steps.length, 0, 'it is not tried again and again');
  const full = await world.cycle({ full: true });
  t.is(full.plan.steps.length, 0);
  const [old, now] = [join(full.folder, 'old.csv'), join(full.folder, 'new.csv')];
  const { counts, unplaceable } = await planDiff({
    walk: (onPair, onDoubt) => mergeSnapshots(old, now, onPair, onDoubt),
    rowsOf: besideIn(old, now),
  });
  t.is(counts.operations, 0, 'nor by what a diff of the files makes of them');
  t.deepEqual(unplaceable, full.report.unplaceable);
  await world.writer.delete('a/b');
  await world.append({ type: 'delete', path: 'a/b' });
  const last = await world.cycle();
  t.is(last.report.status, 'done', JSON.stringify(last.report.failures));

  t.deepEqual(await world.differences(), []);
});

withWorld('random histories over a real disk end equal, cycle after cycle', async (t, world) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const paths = ['a', 'b', 'c', 'd/x', 'd/y', 'd/e/x', 'f/x', 'f/y', 'g/x'];
  const files = new Map<string, string>();
  const carry = async (from: string, to: string): Promise<void> => {
    const text = files.get(from);
    if (text === undefined) return;
    files.delete(from);
    files.set(to, text);
    await world.writer.put(to, Buffer.from(text));
    await world.writer.delete(from);
  };
  for (let round = 0; round < 25; round++) {
    for (let change = 0; change < 1 + random() * 8; change++) {
      const path = pick(paths);
      const kind = random();
      if (kind < 0.45 || !files.has(path)) {
        const text = `round ${round}, change ${change}, ${path}`;
        files.set(path, text);
        await world.put(path, text, random() < 0.5 ? { permissions: pick(['0644', '0600', '0755']) } : {});
      } else if (kind < 0.6) {
        files.delete(path);
        await world.writer.delete(path);
        await world.append({ type: 'delete', path });
      } else if (kind < 0.7)
        await world.append({ type: 'change_permission', path, permissions: pick(['0640', '0700']) });
      else if (kind < 0.9) {
        const to = pick(paths.filter((other) => other !== path));
        await carry(path, to);
        await world.append({ type: 'move', path, to });
      } else {
        const [from, to] = pick([
          ['d/', 'h/'],
          ['h/', 'd/'],
          ['f/', 'g/'],
          ['d/e/', 'f/'],
        ] as const);
        for (const [name] of [...files]) if (name.startsWith(from)) await carry(name, to + name.slice(from.length));
        await world.append({ type: 'rename', path: from, to });
      }
    }
    const { report } = await world.cycle({
      gate: { deleteMax: 1e9, deleteShareMax: 1, deleteFloor: 1e9, clockOffsetMsMax: 1e12 },
    });
    if (report.status === 'partial') t.fail(`SEED=${seed}, round ${round}: ${JSON.stringify(report.failures)}`);
    t.deepEqual(await world.differences(), [], `SEED=${seed}, round ${round}`);
    if (round % 5 === 0) await world.restart();
  }
});
