import { join } from 'node:path';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { unknownAt } from '../../src/cycle/under-way.ts';
import { FailedAnswerError, RefusedError, StopError } from '../../src/file-manager/client-errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { gateLimits } from '../../src/plan/gate.ts';
import { releasedPlans, releasePlan } from '../../src/plan/store.ts';
import { silentAbout } from '../support/silent.ts';
import { worldTest } from '../support/world-test.ts';

const withWorld = worldTest({ timeoutMs: 120_000 });

const lotMost = 3;
const countOf = (planned: Partial<Record<string, number>>): number =>
  Object.values(planned).reduce<number>((sum, count = 0) => sum + count, 0);

withWorld('a bucket is taken over lot by lot, and what is refused keeps no later lot waiting', async (t, world) => {
  for (let n = 0; n < 12; n += 1) await world.put(`${n < 4 ? 'bad' : 'good'}/${n}`, `content ${n}`);
  const { client } = world;
  const saveToDisk: FileManager['saveToDisk'] = (path, ...rest) =>
    path.startsWith('bad')
      ? Promise.reject(new RefusedError(409, 'it is in the way'))
      : client.saveToDisk(path, ...rest);
  const { result, before } = await world.cycles({ lotMost, fileManager: { ...client, saveToDisk } });
  t.deepEqual(
    before.map(({ planned, later }) => [planned, later]),
    [9, 9, 7, 4].map((later) => [{ save: lotMost }, later]),
  );
  t.like(result.report, { status: 'partial', planned: { save: 15 }, operations: { save: 8 }, later: 1 });

  t.is((await world.cycle()).report.status, 'done');
  t.deepEqual(await world.differences(), []);
});

withWorld('what is renamed is renamed in the first lot, whatever lot its new path would be in', async (t, world) => {
  for (const path of ['by-id', 'by-content', 'tied', 'stays', 'folder/x', 'folder/y']) await world.put(path, path);
  await world.cycle();
  const moves = [
    ['by-id', 'z/by-id'],
    ['by-content', 'z/by-content'],
    ['tied', 'z/tied'],
    ['folder/x', 'zz/x'],
    ['folder/y', 'zz/y'],
  ] as const;
  for (const [from, to] of moves) {
    await world.writer.copy(from, to);
    await world.writer.delete(from);
  }
  await world.writer.put('z/twin', Buffer.from('tied'));
  await world.append({ type: 'rename', path: 'by-id', to: 'z/by-id' });
  await world.append({ type: 'rename', path: 'folder/', to: 'zz/' });
  for (const path of ['by-content', 'tied']) await world.append({ type: 'delete', path });
  await world.put('z/by-content', 'by-content');
  for (const path of ['z/tied', 'z/twin']) await world.put(path, 'tied');
  for (let n = 0; n < 8; n += 1) await world.put(`new/${n}`, `new ${n}`);
  await world.put('stays', 'other content');

  const { report } = await world.cycle({ lotMost });
  t.deepEqual(report.planned, { rename: 1, move: 2, delete: 1, save: 2 + lotMost });
  t.is(report.later, 6);
  const { result } = await world.cycles({ lotMost });
  t.like(result.report, { status: 'done', planned: { save: 6 } });
  t.false('later' in result.report);
  t.deepEqual(await world.differences(), []);
});

withWorld(
  'a lot that was cut off comes first in the next cycle, also in another process; a look ends none',
  async (t, world) => {
    for (let n = 0; n < 10; n += 1) await world.put(`f${n}`, `content ${n}`);
    const pathsOf = async (options = {}): Promise<string[]> => {
      const { plan } = await world.cycle({ lotMost, ...options });
      return plan.steps.map(({ operation: { path } }) => path);
    };
    t.deepEqual(await pathsOf({ dryRun: true }), ['f0', 'f1', 'f2']);
    t.deepEqual(await pathsOf(), ['f0', 'f1', 'f2']);
    const saveToDisk = () => Promise.reject(new StopError('unauthorized', 'check FILE_MANAGER_TOKEN'));
    t.deepEqual(await pathsOf({ concurrency: 1, fileManager: { ...world.client, saveToDisk } }), ['f3', 'f4', 'f5']);
    await world.restart();
    // What was begun, f3, is finished before.
    t.deepEqual(await pathsOf(), ['f4', 'f5', 'f6']);
    for (const path of ['f0', 'f1']) await world.put(path, 'other content');
    t.deepEqual(await pathsOf(), ['f7', 'f8', 'f9']);
    t.deepEqual(await pathsOf(), ['f0', 'f1']);
    t.deepEqual(await world.differences(), []);
  },
);

withWorld('a full comparison is of all paths at once', async (t, world) => {
  for (let n = 0; n < 9; n += 1) await world.put(`f${n}`, `content ${n}`);
  const { report } = await world.cycle({ lotMost, full: true });
  t.is(countOf(report.planned), 9);
});

/** The breaker opens once four paths were asked about twice in vain. */
const limits = {
  retry: { attemptsMax: 2, baseMs: 1 },
  breaker: { failuresMax: 8, openMs: 1, openMsMax: 1, probesMax: 3 },
};

withWorld('a folder with more than a lot, about which nothing is said, keeps no other waiting', async (t, world) => {
  for (let n = 0; n < 30; n += 1) await world.put(`${n < 24 ? 'big' : 'fine'}/${n}`, `content ${n}`);
  const fileManager = silentAbout(world, (path) => path.startsWith('big/'), []);
  for (let at = 0; at < 4; at += 1) await world.cycle({ lotMost: 8, fileManager, now: () => at * 600_000, ...limits });
  t.is((await world.workspace().projector.database.all("SELECT 1 FROM mirror WHERE path LIKE 'fine/%'")).length, 6);
});

withWorld(
  'what fails for ever keeps nothing waiting in its own lot, whatever other lots there are',
  async (t, world) => {
    for (let n = 0; n < 30; n += 1)
      await world.put(`${n < 10 ? 'bad' : n < 20 ? 'fine' : 'worse'}/${n}`, `content ${n}`);
    const { client } = world;
    const saveToDisk: FileManager['saveToDisk'] = (path, ...rest) =>
      path.startsWith('fine') ? client.saveToDisk(path, ...rest) : Promise.reject(new FailedAnswerError('sick'));
    for (let at = 0; at < 8; at += 1)
      await world.cycle({ lotMost: 20, fileManager: { ...client, saveToDisk }, ...limits });
    t.is((await world.workspace().projector.database.all("SELECT 1 FROM mirror WHERE path LIKE 'fine/%'")).length, 10);
  },
);

withWorld('what is not known of the file manager is found out lot by lot', async (t, world) => {
  for (let n = 0; n < 9; n += 1) await world.put(`f${n}`, `content ${n}`);
  await world.cycle();
  const { log } = world.workspace();
  const last = await log.last();
  await log.append(Array.from({ length: 9 }, (_, n) => unknownAt(`f${n}`, last)));
  const { result, before } = await world.cycles({ lotMost });
  t.deepEqual(
    [...before, result.report].map(({ planned }) => planned.save),
    [3, 3, 9],
  );
  t.deepEqual(await world.differences(), []);
});

withWorld(
  'a sync of several lots names the plan that an undo is for, and is as whole as its lots',
  async (t, world) => {
    for (const path of ['gone', 'stays']) await world.put(path, path);
    await world.cycle();
    await world.writer.delete('gone');
    await world.append({ type: 'delete', path: 'gone' });
    for (const path of ['a', 'b', 'c', 'x', 'y', 'z']) await world.put(path, path);
    for (const path of ['x', 'y', 'z']) await world.put(`${path}/beneath`, path);
    const { result, before } = await world.cycles({ lotMost });
    t.like(before[0]?.operations, { delete: 1 });
    t.like(result.report, { status: 'done', operations: { delete: 1, save: 6 }, plan: before[0]?.plan });
    t.deepEqual(result.report.unplaceable.map(({ path }) => path).sort(), ['x', 'y', 'z']);

    // What no disk can hold is no failure of a sync.
    for (const path of ['v', 'w']) await world.put(path, path);
    await world.cycle({ lotMost: 100 });
    t.like((await world.cycles({ lotMost: 2 })).result.report, { status: 'idle', planned: {} });
  },
);

withWorld('files that give way to folders are judged all together', async (t, world) => {
  for (let n = 0; n < 6; n += 1) await world.put(`f${n}`, `content ${n}`);
  await world.cycle();
  for (let n = 0; n < 6; n += 1)
    for (const name of ['x', 'y']) await world.put(`f${n}/${name}`, `beneath ${name} ${n}`);
  const { report } = await world.cycle({ lotMost: 2, gate: { ...gateLimits, deleteMax: 5 } });
  t.is(report.status, 'held');
  t.like(report.planned, { delete: 6, save: 8 });
});

withWorld('a sync that is stopped between two lots is not done', async (t, world) => {
  for (let n = 0; n < 7; n += 1) await world.put(`f${n}`, `content ${n}`);
  const stop = new AbortController();
  let saved = 0;
  const saveToDisk: FileManager['saveToDisk'] = (...given) => {
    saved += 1;
    if (saved === lotMost) stop.abort();
    return world.client.saveToDisk(...given);
  };
  const { result } = await world.cycles({ lotMost, signal: stop.signal, fileManager: { ...world.client, saveToDisk } });
  t.like(result.report, { status: 'partial', operations: { save: lotMost }, later: 4 });
});

withWorld('a release holds for all lots of what was held', async (t, world) => {
  for (let n = 0; n < 7; n += 1) await world.put(`f${n}`, `content ${n}`);
  const bucket: Bucket = {
    ...world.bucket,
    identify: async (options) => ({ ...(await world.bucket.identify(options)), observedAt: '2001-01-01T00:00:00Z' }),
  };
  const { report, plan } = await world.cycle({ lotMost, bucket });
  t.is(report.status, 'held');
  const plans = join(world.config.paths.data, 'plans');
  await releasePlan(plans, plan.id);
  t.like((await world.cycles({ lotMost, bucket })).result.report, { status: 'done', operations: { save: 7 } });
  t.deepEqual(await releasedPlans(plans), []);
});
