import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import type { FileRow } from '../../projections/rows.ts';
import { type CycleResult, runCycle } from '../../src/cycle/cycle.ts';
import { messageOf } from '../../src/errors.ts';
import { type IntakeOptions, takeIn } from '../../src/intake/intake.ts';
import { openLog, type WritableLog } from '../../src/log/log.ts';
import { gateLimits } from '../../src/plan/gate.ts';
import { releasePlan } from '../../src/plan/store.ts';
import { openProjector, type Projector } from '../../src/projector/projector.ts';
import { scanBucket } from '../../src/scan/scan.ts';
import { consume } from '../../src/sources/consume.ts';
import { createSimulatedBroker } from './broker.ts';
import { createSimulatedBucket } from './bucket.ts';
import { createChance, createFaults, type FaultKind } from './chance.ts';
import { createVirtualClock } from './clock.ts';
import { failAtCommits, underFaults } from './disk.ts';
import { createSimulatedFileManager } from './file-manager.ts';
import { drawSetting } from './setting.ts';

export type Simulated = { readonly problems: readonly string[]; readonly fired: ReadonlyMap<FaultKind, number> };

/** Memory where the system has a disk of it: a run makes hundreds of synced writes. */
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const rounds = 16;

/**
 * One run: a producer changes a bucket, and the real log, projector, planner, gate and executor carry the changes over to a
 * file manager, while everything around them fails. Then nothing fails any more, and all sides must become equal.
 */
export const simulate = async (seed: number): Promise<Simulated> => {
  const chance = createChance(seed);
  const faults = createFaults(createChance(seed ^ 0x5eed));
  const clock = createVirtualClock(createChance(seed ^ 0xc10c).random, createChance(seed ^ 0x70a0).random);
  // Seeds that were kept before there was a setting all draw the one that they had.
  const asking = createChance(seed ^ 0x3a59);
  const setting = drawSetting(asking);
  const broker = createSimulatedBroker(createChance(seed ^ 0xb0), faults, setting.inOrder);
  const bucket = createSimulatedBucket(
    createChance(seed ^ 0xbc),
    faults,
    clock,
    createChance(seed ^ 0x5ce),
    broker.publish,
    setting,
    asking,
  );
  const folder = mkdtempSync(join(scratch, 's3-sync-simulation-'));
  const problems: string[] = [];
  let generation = 0;
  let crashed = false;
  let log!: WritableLog;
  let projector!: Projector;

  const dataFolder = (): string => join(folder, `data-${generation}`);
  const open = async (): Promise<void> => {
    mkdirSync(dataFolder(), { recursive: true });
    const logPath = join(dataFolder(), 'events.db');
    log = await openLog(logPath);
    projector = await openProjector({ path: join(dataFolder(), 'projections.db'), logPath, logId: log.logId });
    await projector.catchUp();
    failAtCommits(log.database, faults);
    failAtCommits(projector.database, faults);
  };

  /** What is on the disk at this moment is all that the next process will find. */
  const crash = (kind: FaultKind, probability: number): void => {
    if (crashed || !faults.strikes(kind, probability)) return;
    crashed = true;
    const next = join(folder, `data-${generation + 1}`);
    cpSync(dataFolder(), next, { recursive: true, filter: (path) => !/\.db(-wal|-shm)?$/.test(path) });
    for (const name of ['events.db', 'projections.db'])
      for (const suffix of ['-wal', ''])
        if (existsSync(join(dataFolder(), name + suffix)))
          copyFileSync(join(dataFolder(), name + suffix), join(next, name + suffix));
    fileManager.setDead(true);
  };
  const fileManager = createSimulatedFileManager(
    createChance(seed ^ 0xf0),
    createChance(seed ^ 0x51),
    faults,
    clock,
    (kind) => crash(kind, 0.01),
    seed % 2 === 0 ? ['folders', 'save-permissions'] : ['folders'],
  );

  const reopenAfterCrash = async (): Promise<void> => {
    if (!crashed) return;
    await projector.close();
    await log.close();
    rmSync(dataFolder(), { recursive: true, force: true });
    generation += 1;
    crashed = false;
    fileManager.setDead(false);
    await open();
  };

  const questions = (): Partial<IntakeOptions> =>
    setting.asks
      ? {
          bucket: bucket.questioned,
          views: projector.database,
          permissions: { files: projector.database, acl: false },
        }
      : {};

  const drain = async (): Promise<void> => {
    const source = broker.subscribe(() => crash('crash between commit and ack', 0.06));
    const stop = new AbortController();
    const step = async (deliveries: Parameters<typeof takeIn>[0]) => {
      // One batch, and then the stream ends.
      stop.abort();
      crash('crash before the commit', 0.03);
      if (crashed) throw new Error('the process has ended');
      return underFaults(log.database, faults, () =>
        underFaults(projector.database, faults, async () => {
          const intake = await takeIn(deliveries, { log, sourceName: 'simulated', ...questions() });
          await projector.catchUp();
          return intake;
        }),
      );
    };
    const limits = { messagesMax: 8, bytesMax: 1e6, lingerMs: 0 };
    const results = consume(source, step, { limits, signal: stop.signal, waitingBy: ({ waiting }) => waiting });
    await lastValueFrom(results, { defaultValue: undefined }).catch(() => undefined);
    await source.close();
  };

  const cycle = (): Promise<CycleResult> =>
    runCycle({
      workspace: { log, projector, close: async () => undefined },
      dataFolder: dataFolder(),
      fileManager: fileManager.port,
      bucket: bucket.port,
      gate: { ...gateLimits, deleteFloor: 4 },
      concurrency: 3,
      clock,
      now: clock.now,
      unreadable: { firstMs: 1, mostMs: 2 },
      superseded: { firstMs: 1, mostMs: 2 },
      unanswered: { firstMs: 1, mostMs: 30_000 },
      metadata: true,
      // Nobody listens there: each report waits for a later cycle.
      reportEndpoints: faults.strikes('report endpoint is down', 0.1) ? [{ url: 'http://127.0.0.1:9/report' }] : [],
      cyclesKept: 2,
      lotMost: setting.lotMost,
    });

  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    await work().catch((error: unknown) => {
      if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) throw error;
    });
    await reopenAfterCrash();
  };

  const reconcile = (): Promise<unknown> =>
    scanBucket({ workspace: { log, projector, close: async () => undefined }, bucket: bucket.port, metadata: true });

  /**
   * Whatever has failed, what the log says of the file manager is so, unless an operation is under way. Later changes would
   * put right at the end what was wrong meanwhile.
   */
  const keepsItsWord = async (round: number): Promise<void> => {
    const { database } = log;
    const open = await database.get<{ steps: number }>(
      "SELECT count(*) AS steps FROM under_way WHERE NOT EXISTS (SELECT 1 FROM event WHERE id = 'outcome:' || op_id)",
    );
    if (open?.steps !== 0 || projector.meta().checkpoint < (await log.last())) return;
    const rows = new Map((await projector.database.all<FileRow>('SELECT * FROM mirror')).map((row) => [row.path, row]));
    for (const path of new Set([...rows.keys(), ...fileManager.stored.keys()])) {
      const [row, file] = [rows.get(path), fileManager.stored.get(path)];
      if (row?.file_id === 0) continue;
      if (row?.etag !== file?.md5 || (row && row.permissions !== null && row.permissions !== file?.permissions))
        problems.push(
          `round ${round}: the mirror says ${JSON.stringify(row)}, there is ${file?.md5} ${file?.permissions}`,
        );
    }
  };

  const hasLied = (): boolean => faults.fired.has('listing comes back empty');
  const isAhead = (): boolean => faults.fired.has("producer's clock hours ahead");
  /** What was told, and what the bucket was asked about, is in the file table, before any listing says so. */
  const knowsAll = async (): Promise<void> => {
    const rows = new Map((await projector.database.all<FileRow>('SELECT * FROM file')).map((row) => [row.path, row]));
    for (const path of new Set([...rows.keys(), ...bucket.objects.keys()])) {
      const [object, row] = [bucket.objects.get(path), rows.get(path)];
      if (object?.isUntold) continue;
      if (row?.etag !== object?.etag) problems.push(`${path}: ${object?.etag} in the bucket, known as ${row?.etag}`);
      else if (object && object.permissions !== null && object.permissions !== row?.permissions)
        problems.push(`${path}: permissions ${object.permissions} in the bucket, known as ${row?.permissions}`);
    }
  };

  const endsEqual = async (): Promise<void> => {
    const rows = new Map((await projector.database.all<FileRow>('SELECT * FROM file')).map((row) => [row.path, row]));
    for (const path of new Set([...rows.keys(), ...bucket.objects.keys(), ...fileManager.stored.keys()])) {
      const [object, row, file] = [bucket.objects.get(path), rows.get(path), fileManager.stored.get(path)];
      if (!object || !row || !file)
        problems.push(
          `${path}: ${object ? '' : 'not in the bucket '}${row ? '' : 'not in the projection '}${file ? '' : 'not in the file manager'}`,
        );
      else {
        // An event from ahead may be all that tells of an object, without an etag; a listing then goes by its size.
        const isUnsaid = row.etag === null && row.size === object.bytes.length && isAhead();
        if ((row.etag !== object.etag && !isUnsaid) || file.md5 !== object.etag)
          problems.push(`${path}: other content`);
        if (row.permissions !== null && row.permissions !== file.permissions)
          problems.push(`${path}: permissions ${row.permissions}, ${file.permissions}`);
        // Of a file that no event states them of, they are set when it is saved.
        const said = setting.form === 'native' ? row.permissions : file.permissions;
        // A listing that lies is recorded, and undone by the next one; what only an event had said of the file is then gone.
        const lied = hasLied() && said === null;
        // Permissions that a later event states have no effect, and a listing tells of none.
        if (object.permissions !== null && said !== object.permissions && !lied && !isAhead())
          problems.push(`${path}: permissions ${object.permissions} in the bucket, ${said}`);
      }
    }
    const counts = await log.database.get<{ events: number; ids: number; last: number }>(
      'SELECT count(*) AS events, count(DISTINCT id) AS ids, max("offset") AS last FROM event',
    );
    if (counts && counts.events !== counts.ids) problems.push('an event stands in the log twice');
    if (counts && counts.events !== (counts.last ?? 0)) problems.push('the offsets have a hole');
    for (const key of fileManager.repeated()) problems.push(`operation ${key} had its effect twice`);
  };

  try {
    await open();
    for (let round = 0; round < rounds; round += 1) {
      for (let change = chance.below(4); change > 0; change -= 1) bucket.change();
      for (let batch = 0; batch < 2; batch += 1) await attempt(drain);
      if (chance.is(0.5)) {
        const far = faults.strikes("clock far from the bucket's", 0.05);
        bucket.setClockOff(far ? 3_600_000 : 0);
        await attempt(() => underFaults(log.database, faults, () => underFaults(projector.database, faults, cycle)));
        bucket.setClockOff(0);
        await keepsItsWord(round);
      }
      // Near a listing a ring of renames may lose what only events had stated: see ARCHITECTURE.md.
      if (chance.is(0.08) && setting.keepsPermissions) await attempt(reconcile);
      if (chance.is(0.05)) {
        crashed = true;
        cpSync(dataFolder(), join(folder, `data-${generation + 1}`), { recursive: true });
        await reopenAfterCrash();
      }
    }
    faults.end();
    bucket.unlock();
    for (let poll = 0; poll < 120 && !broker.isEmpty(); poll += 1) await drain();
    if (setting.inOrder && !hasLied() && !isAhead()) await knowsAll();
    // Where each object is told of by itself, the events and the answers say all there is.
    if (setting.form === 'native' || hasLied() || isAhead()) await reconcile();
    let last: CycleResult | undefined;
    for (let number = 0; number < 12 && last?.report.status !== 'idle'; number += 1) {
      await clock.sleep(60_000);
      last = await cycle();
      for (let lots = 0; lots < 40 && last.later > 0; lots += 1) last = await cycle();
      if (last.report.status === 'held') await releasePlan(join(dataFolder(), 'plans'), last.plan.id);
    }
    if (last?.report.status !== 'idle')
      problems.push(`the cycles do not come to rest: ${last?.report.status}, ${JSON.stringify(last?.report.failures)}`);
    const calls = fileManager.calls();
    if ((await cycle()).report.status !== 'idle' || fileManager.calls() !== calls)
      problems.push('an idle cycle is not silent');
    await endsEqual();
    await projector.close();
    await log.close();
  } catch (error) {
    problems.push(`${messageOf(error)}\n${error instanceof Error ? error.stack : ''}`);
  } finally {
    clock.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return { problems, fired: faults.fired };
};
