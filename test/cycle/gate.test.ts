import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { CycleResult } from '../../src/cycle/cycle.ts';
import { FatalError, RetryableError } from '../../src/errors.ts';
import { FailedAnswerError } from '../../src/file-manager/client-errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { gateLimits } from '../../src/plan/gate.ts';
import { readPlans, releasedPlans, releasePlan } from '../../src/plan/store.ts';
import { scanBucket } from '../../src/scan/scan.ts';
import type { World } from '../support/world.ts';
import { worldTest } from '../support/world-test.ts';

const withWorld = worldTest({ timeoutMs: 120_000 });

const fill = async (world: World, count: number): Promise<void> => {
  for (let at = 0; at < count; at++) await world.put(`f${at}`, `content ${at}`);
};

const remove = async (world: World, path: string): Promise<void> => {
  await world.writer.delete(path);
  await world.append({ type: 'delete', path });
};

/** A cycle that is to delete the first `gone` of so many files. */
const deleteMany = async (world: World, files: number, gone: number): Promise<CycleResult> => {
  await fill(world, files);
  await world.cycle();
  for (let at = 0; at < gone; at++) await remove(world, `f${at}`);
  return world.cycle();
};

/** The bucket with another word on which it is, or what time it has. */
const identified = (bucket: Bucket, change: (told: Awaited<ReturnType<Bucket['identify']>>) => object): Bucket => ({
  ...bucket,
  identify: async (options) => {
    const told = await bucket.identify(options);
    return { ...told, ...change(told) };
  },
});

/** Held, for this reason, and done once a person has named the plan. */
const heldUntilReleased = async (
  t: ExecutionContext,
  world: World,
  reason: RegExp,
  options: Parameters<World['cycle']>[0] = {},
): Promise<void> => {
  const held = await world.cycle(options);
  t.is(held.report.status, 'held');
  t.regex(held.report.held.join('\n'), reason);
  await world.restart();
  t.is((await world.cycle(options)).plan.id, held.plan.id, 'it is the same plan after a restart');
  const folder = join(world.config.paths.data, 'plans');
  t.deepEqual(
    (await readPlans(folder)).plans.map(({ plan }) => plan.id),
    [held.plan.id],
  );
  await releasePlan(folder, held.plan.id);
  t.is((await world.cycle(options)).report.status, 'done');
  t.deepEqual((await readPlans(folder)).plans, []);
};

withWorld('a most of 0 deletes asks a person about each, and holds nothing else', async (t, world) => {
  const options = {
    gate: { ...gateLimits, deleteMax: loadConfig({ GATE_DELETE_MAX: '0' }).number('GATE_DELETE_MAX') },
  };
  await fill(world, 20);
  t.is((await world.cycle(options)).report.status, 'done');
  await remove(world, 'f0');
  await heldUntilReleased(t, world, /would delete 1 file, more than 0 \(GATE_DELETE_MAX\)/, options);
});

withWorld('a cycle on another bucket than the file manager was filled from is held', async (t, world) => {
  await fill(world, 3);
  t.is((await world.cycle()).report.status, 'done');
  await remove(world, 'f0');
  const moved = identified(world.bucket, ({ identity }) => ({
    identity: { ...identity, endpoint: 'http://elsewhere' },
  }));
  await heldUntilReleased(t, world, /filled from bucket .* at http:\/\/127.* configured now/, { bucket: moved });
  await remove(world, 'f1');
  t.is((await world.cycle({ bucket: moved })).report.status, 'done', 'once released, it is the bucket');
  await remove(world, 'f2');
  t.is((await world.cycle()).report.status, 'held', 'and the old one is another');
});

withWorld('a bucket that was made anew under its name is another bucket', async (t, world) => {
  const madeIn = (created: string): Bucket =>
    identified(world.bucket, ({ identity }) => ({ identity: { ...identity, created } }));
  await fill(world, 2);
  await world.cycle({ bucket: madeIn('2026-01-01T00:00:00.000Z') });
  await remove(world, 'f0');
  await heldUntilReleased(t, world, /made 2026-01-01.*made 2026-01-02/, { bucket: madeIn('2026-01-02T00:00:00.000Z') });
});

withWorld('the same bucket stays the same, also over a restart', async (t, world) => {
  await fill(world, 2);
  const { identity } = await world.bucket.identify();
  t.is(identity.name, world.access.bucket);
  t.is(identity.endpoint, world.s3.url);
  t.regex(identity.created ?? '', /^\d{4}-/, 'this server tells when it was made');
  await world.cycle();
  await world.restart();
  await remove(world, 'f0');
  t.is((await world.cycle()).report.status, 'done');
});

withWorld('a file table that shrank is held, also where nothing would be deleted', async (t, world) => {
  await fill(world, 40);
  const down: FileManager = {
    ...world.client,
    saveToDisk: () => Promise.reject(new FatalError('the disk is full')),
  };
  t.is((await world.cycle({ fileManager: down })).report.status, 'partial');
  for (let at = 0; at < 30; at++) await remove(world, `f${at}`);
  await heldUntilReleased(t, world, /shrunk from 40 to 10 rows since the last cycle, by 75 %/);
  t.deepEqual(await world.differences(), []);
});

withWorld("a clock that is far from the bucket's holds every change", async (t, world) => {
  await fill(world, 1);
  const inAnHour = identified(world.bucket, ({ observedAt }) => ({
    observedAt: new Date(Date.parse(observedAt) + 3_600_000).toISOString(),
  }));
  await heldUntilReleased(t, world, /this machine's clock is 3[56]\d\d s behind the bucket's/, { bucket: inAnHour });
});

withWorld('deletes wait while the bucket cannot be asked, and go on by themselves when it can', async (t, world) => {
  await fill(world, 2);
  await world.cycle();
  await remove(world, 'f0');
  const silent: Bucket = { ...world.bucket, identify: () => Promise.reject(new RetryableError('answered 503')) };
  const held = await world.cycle({ bucket: silent });
  t.regex(held.report.held.join(), /cannot be asked \(answered 503\), and it would delete 1 file\b/);
  t.is((await world.cycle()).report.status, 'done');
});

const scan = (world: World, bucket: Bucket): Promise<unknown> =>
  scanBucket({ workspace: world.workspace(), bucket, metadata: false });

withWorld('what a reconcile found gone in an empty bucket is held in the next cycle', async (t, world) => {
  await fill(world, 3);
  await world.cycle();
  for (const path of ['f0', 'f1', 'f2']) await world.writer.delete(path);
  await scan(world, world.bucket);
  await heldUntilReleased(t, world, /lists no objects at all, and it would delete 3 files/);
});

withWorld('after a listing that broke off, deletes wait for a whole one', async (t, world) => {
  await fill(world, 3);
  await world.cycle();
  const broken: Bucket = {
    ...world.bucket,
    list: async function* () {
      for await (const page of world.bucket.list()) yield { ...page, last: false };
      throw new RetryableError('page 2 answered 503');
    },
  };
  await t.throwsAsync(scan(world, broken), { message: /page 2/ });
  await world.put('f3', 'content');
  t.is((await world.cycle()).report.status, 'done', 'what deletes nothing goes on');
  await remove(world, 'f0');
  const { report } = await world.cycle();
  t.is(report.status, 'held');
  t.regex(report.held.join(), /broke off after 3 objects \(page 2 answered 503\), and it would delete 1 file\b/);
  await scan(world, world.bucket);
  t.is((await world.cycle()).report.status, 'done');
});

withWorld('a bucket that was away when it was to be listed holds nothing back afterwards', async (t, world) => {
  await fill(world, 3);
  await world.cycle();
  const away: Bucket = {
    ...world.bucket,
    list: async function* () {
      throw new RetryableError('nobody there');
    },
  };
  await t.throwsAsync(scan(world, away), { message: /nobody there/ });
  await remove(world, 'f0');
  t.is((await world.cycle()).report.status, 'done');
});

withWorld('a held plan expires when its state has moved on: its release holds for nothing else', async (t, world) => {
  const held = await deleteMany(world, 20, 15);
  await releasePlan(join(world.config.paths.data, 'plans'), held.plan.id);
  await remove(world, 'f15');
  const later = await world.cycle();
  t.not(later.plan.id, held.plan.id);
  t.is(later.report.status, 'held');
});

withWorld(
  'a release holds while the bucket goes on changing, for as long as nothing more is deleted',
  async (t, world) => {
    const held = await deleteMany(world, 20, 15);
    await world.put('new', 'content');
    await releasePlan(join(world.config.paths.data, 'plans'), held.plan.id);
    const later = await world.cycle();
    t.not(later.plan.id, held.plan.id);
    t.like(later.report, { status: 'done', operations: { delete: 15, save: 1 } });
    t.is((await deleteMany(world, 20, 15)).report.status, 'held', 'and for nothing that comes later');
  },
);

withWorld(
  'what is left of a released plan goes on in the next cycle, and then the release is over',
  async (t, world) => {
    const held = await deleteMany(world, 40, 36);
    const folder = join(world.config.paths.data, 'plans');
    await releasePlan(folder, held.plan.id);
    const down: FileManager = { ...world.client, delete: () => Promise.reject(new FatalError('not now')) };
    const first = await world.cycle({ fileManager: down, failuresMax: 2, concurrency: 1 });
    t.like(first.report, { status: 'partial', operations: {} });
    await world.restart();
    const rest = await world.cycle();
    t.is(rest.report.status, 'done', rest.report.held.join());
    t.true((rest.report.operations.delete ?? 0) > 30);
    t.deepEqual(await world.differences(), []);
    t.deepEqual(await releasedPlans(folder), []);
  },
);

withWorld(
  'what is left of a released plan goes on although nobody knows what became of a part of it',
  async (t, world) => {
    const held = await deleteMany(world, 40, 36);
    await releasePlan(join(world.config.paths.data, 'plans'), held.plan.id);
    const losing: FileManager = {
      ...world.client,
      delete: () => Promise.reject(new FailedAnswerError('answered 500')),
    };
    for (let at = 0; at < 2; at++)
      await world.cycle({ fileManager: losing, failuresMax: 2, concurrency: 1, retry: { attemptsMax: 1 } });
    t.like(await world.workspace().projector.database.get('SELECT count(*) AS files FROM mirror WHERE file_id = 0'), {
      files: 2,
    });
    const rest = await world.cycle();
    t.is(rest.report.status, 'done', rest.report.held.join());
    t.deepEqual(await world.differences(), []);
  },
);

withWorld('files that go because others are renamed onto their places count as deletes', async (t, world) => {
  await fill(world, 40);
  await world.cycle();
  for (let at = 0; at < 15; at++) {
    await world.writer.copy(`f${at}`, `f${at + 20}`);
    await world.writer.delete(`f${at}`);
    await world.append({ type: 'rename', path: `f${at}`, to: `f${at + 20}` });
  }
  await heldUntilReleased(
    t,
    world,
    /it would delete 15 of 40 files \(15 of them by a rename onto their place\), 37.5 %/,
  );
  t.deepEqual(await world.differences(), []);
});
