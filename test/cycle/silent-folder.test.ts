import { readStatus } from '../../src/status/status.ts';
import { silentAbout } from '../support/silent.ts';
import type { World } from '../support/world.ts';
import { worldTest } from '../support/world-test.ts';

const withWorld = worldTest({ timeoutMs: 120_000 });
const minute = 60_000;
/** The breaker opens once four paths were asked about twice in vain, as it does by default after five times each. */
const limits = {
  retry: { attemptsMax: 2, baseMs: 1 },
  breaker: { failuresMax: 8, openMs: 1, openMsMax: 1, probesMax: 3 },
};

/** As many files beneath `folder`, each with content of its own. */
const put = async (world: World, folder: string, count: number): Promise<void> => {
  for (let at = 0; at < count; at++) await world.put(`${folder}${at}`, `${folder}${at}`);
};

const openIn = async (world: World): Promise<number> =>
  (await world.workspace().log.database.all('SELECT op_id FROM under_way')).length;

for (const concurrency of [4, 16])
  withWorld(
    `a folder about which the file manager says nothing, for hours, keeps no other waiting, with ${concurrency} lanes`,
    async (t, world) => {
      const asked: string[] = [];
      let isSilent = true;
      const fileManager = silentAbout(world, (path) => isSilent && path.startsWith('big/'), asked);
      await put(world, 'a/', 16);
      await put(world, 'big/', 50);
      await put(world, 'fine/', 10);
      const begun = Date.now();
      const cycleAt = (at: number) =>
        world.cycle({ fileManager, concurrency, now: () => begun + at * 10 * minute, ...limits });
      const finePaths = async (): Promise<number> =>
        (await world.workspace().projector.database.all("SELECT path FROM mirror WHERE path LIKE 'fine/%'")).length;
      let cycles = 0;
      while ((await finePaths()) < 10 && cycles < 12) await cycleAt(++cycles);
      t.true(cycles <= 2, `${cycles} cycles until the others were carried out`);
      for (let at = 3; at < 7; at++) {
        await world.put(`fine/late${at}`, `late ${at}`);
        asked.length = 0;
        const { report } = await cycleAt(at);
        t.like(report, { status: 'partial', operations: { save: 1 } });
        t.regex(report.stopped ?? '', /says nothing about paths in big\//);
        const silent = asked.filter((path) => path.startsWith('big/')).length;
        t.true(silent <= 6 * 2, `${silent} requests without an answer in cycle ${at}`);
      }
      const open = await openIn(world);
      t.true(open <= 40, `${open} operations under way`);
      const status = await readStatus(world.config);
      t.is(status.unanswered.objects, open);
      t.regex(status.last_cycle?.stopped ?? '', /in big\//);
      isSilent = false;
      // Those that were asked a moment ago could wait.
      const { report } = await cycleAt(6.05);
      t.is(report.status, 'done');
      t.deepEqual(await world.differences(), []);
      t.is((await cycleAt(7)).report.status, 'idle');
    },
  );

withWorld('paths that say nothing for themselves are asked again although a folder is silent', async (t, world) => {
  const asked: string[] = [];
  let isOneSilent = true;
  const fileManager = silentAbout(
    world,
    (path) => path.startsWith('big/') || (isOneSilent && path === 'fine/one'),
    asked,
  );
  await world.put('fine/one', 'one');
  await put(world, 'big/', 40);
  const begun = Date.now();
  const cycleAt = (at: number) => world.cycle({ fileManager, now: () => begun + at * 10 * minute, ...limits });
  for (let at = 0; at < 4; at++) await cycleAt(at);
  isOneSilent = false;
  asked.length = 0;
  for (let at = 4; at < 12; at++) await cycleAt(at);
  t.true(asked.includes('fine/one'), 'it has its turn');
  t.deepEqual(
    (await world.differences()).filter((line) => line.includes('fine/one')),
    [],
  );
});

withWorld('operations under way at a stop do not end the cycle when their folder is silent', async (t, world) => {
  const asked: string[] = [];
  const fileManager = silentAbout(world, (path) => path.startsWith('big/'), asked);
  await put(world, 'big/', 20);
  await world.cycle({ fileManager, concurrency: 16, ...limits });
  // Nothing is known of what a crash has left: it is asked as if for the first time.
  await world.workspace().projector.database.run('DELETE FROM unanswered', []);
  await world.put('fine', 'fine');
  asked.length = 0;
  const { report } = await world.cycle({ fileManager, ...limits });
  t.is(report.operations.save, 1);
  t.true(asked.indexOf('fine') <= 3 * 2, `${asked.indexOf('fine')} requests before`);
});
