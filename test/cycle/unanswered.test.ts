import { join } from 'node:path';
import test from 'ava';
import { openAt, withoutOpen } from '../../src/cycle/unanswered.ts';
import { FailedAnswerError } from '../../src/file-manager/client-errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { gateLimits } from '../../src/plan/gate.ts';
import { releasePlan } from '../../src/plan/store.ts';
import { isWorthReporting } from '../../src/report/report.ts';
import { readStatus } from '../../src/status/status.ts';
import { changesBetween } from '../plan/model.ts';
import { row } from '../plan/tables.ts';
import { silentAbout } from '../support/silent.ts';
import type { World } from '../support/world.ts';
import { worldTest } from '../support/world-test.ts';

const once = { retry: { attemptsMax: 1 } };
const minute = 60_000;
const withWorld = worldTest({ timeoutMs: 90_000 });

withWorld('a path about which the file manager says nothing keeps no other waiting', async (t, world) => {
  const asked: string[] = [];
  let isSilent = true;
  const fileManager = silentAbout(world, (path) => isSilent && path === 'bad', asked);
  await world.put('bad', 'x');
  const begun = Date.now();
  for (let at = 0; at < 5; at++) {
    await world.put(`good${at}`, 'content');
    const now = (): number => begun + at * minute;
    const { report } = await world.cycle({ fileManager, now, ...once });
    t.is(report.states.done, 1, `in cycle ${at}`);
  }
  t.deepEqual(
    asked.filter((path) => path === 'bad').length,
    4,
    'first, then in the next cycle, and after half a minute, a minute, and two, in the cycles that come after that',
  );
  const { unanswered } = await readStatus(world.config);
  t.is(unanswered.objects, 1);
  t.like(unanswered.first[0], { path: 'bad', tries: 4, reason: 'the connection was reset' });
  isSilent = false;
  await world.cycle({ fileManager, now: () => begun + 60 * minute });
  t.deepEqual(await world.differences(), []);
  t.is((await world.cycle()).report.status, 'idle');
  t.is((await readStatus(world.config)).unanswered.objects, 0);
});

withWorld('a cycle that asks nothing says all the same that something waits, and tells nobody', async (t, world) => {
  const fileManager = silentAbout(world, (path) => path === 'bad');
  const now = Date.now;
  await world.put('bad', 'x');
  await world.cycle({ fileManager, now, ...once });
  await world.cycle({ fileManager, now, ...once });
  const { report } = await world.cycle({ fileManager, now, ...once });
  t.like(report, { status: 'partial', plan: null, failures: [] });
  t.false(isWorthReporting(report));
});

withWorld('what failed and is left out for an open place keeps its turn', async (t, world) => {
  const silent = silentAbout(world, (path) => path === 'd/');
  const saveToDisk: FileManager['saveToDisk'] = async (path, ...rest) => {
    if (path === 'd/f') throw new FailedAnswerError('answered 500');
    return silent.saveToDisk(path, ...rest);
  };
  const cycle = () => world.cycle({ fileManager: { ...silent, saveToDisk }, ...once });
  const tries = () => world.workspace().projector.database.all("SELECT tries FROM failed WHERE path = 'd/f'");
  await world.put('d/f', 'content');
  await cycle();
  await cycle();
  await world.append({ type: 'create', path: 'd/' });
  await cycle();
  t.deepEqual(await tries(), [{ tries: 3 }]);
  t.is((await cycle()).plan.steps.length, 2);
  t.deepEqual(await tries(), [{ tries: 3 }]);
});

withWorld('a folder with a path about which nothing is said is not deleted as a whole', async (t, world) => {
  let isSilent = true;
  const saved: string[] = [];
  const asked: string[] = [];
  const fileManager = silentAbout(world, (path) => isSilent && path === 'd/new', asked);
  const late: FileManager = {
    ...fileManager,
    saveToDisk: async (path, content, options) => {
      // Done, and never said.
      if (path === 'd/new') await world.client.saveToDisk(path, content, options);
      saved.push(path);
      await fileManager.saveToDisk(path, content, options);
    },
  };
  for (const path of ['d/a', 'd/b']) await world.put(path, path);
  await world.cycle();
  await world.put('d/new', 'new');
  await world.cycle({ fileManager: late, ...once });
  for (const path of ['d/a', 'd/b']) {
    await world.writer.delete(path);
    await world.append({ type: 'delete', path });
  }
  const { report } = await world.cycle({ fileManager, ...once });
  t.like(report, { status: 'partial', operations: { delete: 2 } });
  t.deepEqual(
    asked.filter((path) => path.endsWith('/')),
    [],
  );
  isSilent = false;
  await world.cycle({ retryUnreadable: true });
  t.deepEqual(await world.differences(), []);
});

withWorld(
  'while nothing is said about a rename, neither its source goes nor is its content saved again',
  async (t, world) => {
    const asked: string[] = [];
    let isSilent = true;
    const fileManager = silentAbout(world, (path) => isSilent && path === 'from', asked);
    await world.put('from', 'content');
    await world.cycle();
    await world.writer.put('to', Buffer.from('content'));
    await world.writer.delete('from');
    await world.append({ type: 'rename', path: 'from', to: 'to' });
    await world.cycle({ fileManager, ...once });
    await world.put('other', 'x');
    t.like((await world.cycle({ fileManager, ...once })).report, { status: 'partial', operations: { save: 1 } });
    t.deepEqual(asked, ['from', 'from', 'other']);
    t.like((await world.cycle({ fileManager, dryRun: true })).report, { planned: { rename: 1 } });
    isSilent = false;
    await world.cycle({ fileManager, retryUnreadable: true });
    t.deepEqual(await world.differences(), []);
  },
);

withWorld('a file that is renamed to where nothing is said stays where it is meanwhile', async (t, world) => {
  const asked: string[] = [];
  let isSilent = true;
  const fileManager = silentAbout(world, (path) => isSilent && path === 'to', asked);
  await world.put('from', 'content');
  await world.put('to', 'other');
  await world.cycle();
  await world.writer.delete('to');
  await world.append({ type: 'delete', path: 'to' });
  await world.cycle({ fileManager, ...once });
  await world.writer.put('to', Buffer.from('content'));
  await world.writer.delete('from');
  await world.append({ type: 'rename', path: 'from', to: 'to' });
  await world.cycle({ fileManager, ...once });
  t.deepEqual(asked, ['to', 'to']);
  isSilent = false;
  await world.cycle({ fileManager, retryUnreadable: true });
  await world.cycle({ fileManager });
  t.deepEqual(await world.differences(), []);
});

withWorld(
  'however many paths nothing is said about, others are soon carried over, and all once it answers',
  async (t, world) => {
    const asked: string[] = [];
    let isSilent = true;
    const fileManager = silentAbout(world, (path) => isSilent && path.startsWith('bad'), asked);
    for (let at = 0; at < 12; at++) await world.put(`bad${at}`, 'x');
    await world.put('good', 'content');
    const begun = Date.now();
    /** The breaker ends a cycle after four paths. */
    const impatient = {
      ...once,
      concurrency: 1,
      breaker: { failuresMax: 3, openMs: 1, openMsMax: 1, probesMax: 1 },
    };
    const cycleAt = (minutes: number) =>
      world.cycle({ fileManager, now: () => begun + minutes * minute, ...impatient });
    let at = 0;
    while (!asked.includes('good') && at < 10) await cycleAt(++at);
    t.true(asked.includes('good'), 'the cycles got past those that are silent');
    // Their waits are at their longest by now, and all are over.
    for (const later of [60, 120, 180, 240, 300]) await cycleAt(later);
    await world.put('other', 'content');
    t.is((await cycleAt(600)).report.operations.save, 1);
    t.true(asked.includes('other'));
    isSilent = false;
    await cycleAt(900);
    t.is((await cycleAt(901)).report.status, 'idle');
    t.deepEqual(await world.differences(), []);
  },
);

withWorld('a whole folder about which the file manager says nothing is asked about as seldom', async (t, world) => {
  const asked: string[] = [];
  for (const path of ['d/x', 'd/y', 'stays']) await world.put(path, path);
  await world.cycle();
  for (const path of ['d/x', 'd/y']) {
    await world.writer.delete(path);
    await world.append({ type: 'delete', path });
  }
  const fileManager = silentAbout(world, (path) => path === 'd/', asked);
  const begun = Date.now();
  for (let at = 0; at < 5; at++) await world.cycle({ fileManager, now: () => begun + at * minute, ...once });
  t.deepEqual(asked, ['d/', 'd/', 'd/', 'd/']);
  t.is((await readStatus(world.config)).unanswered.first[0]?.path, 'd/');
});

test('what a disk may take for a file that stays waits with it', (t) => {
  const changes = changesBetween([row('B', 7)], [row('b', 8, 'other'), row('q', 7, 'e7', 9)]);
  t.deepEqual(withoutOpen(changes, openAt(['q']), new Set()), []);
});

/** Files beneath a folder that is deleted as a whole, of which nothing is said, and more files beside it. */
const deleteAround = async (world: World, fileManager: FileManager, beside: number): Promise<void> => {
  for (const path of ['d/x', 'd/y']) {
    await world.writer.delete(path);
    await world.append({ type: 'delete', path });
  }
  await world.cycle({ fileManager, ...once });
  for (let at = 0; at < beside; at++) {
    await world.writer.delete(`f${at}`);
    await world.append({ type: 'delete', path: `f${at}` });
  }
};

withWorld('deletes that wait for an answer count for the gate with those that do not', async (t, world) => {
  for (const path of ['d/x', 'd/y', 'f0', 'f1', 'f2', 'f3']) await world.put(path, path);
  await world.cycle();
  const fileManager = silentAbout(world, (path) => path.startsWith('d/'));
  await deleteAround(world, fileManager, 2);
  const gate = { ...gateLimits, deleteFloor: 0, deleteShareMax: 1, deleteMax: 3 };
  const { report } = await world.cycle({ fileManager, gate, ...once });
  t.like(report, { status: 'held', planned: { delete: 4 } });
  t.true((await world.cycle({ fileManager, gate: { ...gate, deleteMax: 4 }, ...once })).report.operations.delete === 2);
});

withWorld('a release holds for what it was given for while nothing is said about that', async (t, world) => {
  for (const path of ['d/x', 'd/y', 'stays']) await world.put(path, path);
  await world.cycle();
  const gate = { ...gateLimits, deleteFloor: 0, deleteMax: 1 };
  for (const path of ['d/x', 'd/y']) {
    await world.writer.delete(path);
    await world.append({ type: 'delete', path });
  }
  const held = await world.cycle({ gate });
  t.is(held.report.status, 'held');
  await releasePlan(join(world.config.paths.data, 'plans'), held.plan.id);
  const silent = silentAbout(world, (path) => path.startsWith('d/'));
  for (let at = 0; at < 3; at++) await world.cycle({ gate, fileManager: silent, ...once });
  // It answers, that it has failed: what is there is not known then, and is planned anew.
  const failing: FileManager = { ...world.client, delete: () => Promise.reject(new FailedAnswerError('answered 500')) };
  await world.cycle({ gate, fileManager: failing, retryUnreadable: true, ...once });
  await world.cycle({ gate });
  t.deepEqual(await world.differences(), []);
});
