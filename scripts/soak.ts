/**
 * The service under lasting trouble: the real daemon and file manager, Google's Pub/Sub emulator and an embedded bucket that
 * changes at random, while requests and connections are meddled with and processes are killed. At the end everything is
 * let be, and all sides must come to hold the same. Arguments: minutes of trouble (3), seed. Exit code 0 only when equal.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBucket, createBucketWriter } from '../src/bucket/s3.ts';
import { loadConfig } from '../src/config/config.ts';
import { failpoints } from '../src/failpoint.ts';
import { createFileManagerClient } from '../src/file-manager/client.ts';
import { readStatus } from '../src/status/status.ts';
import { startBrokerProxy } from '../test/support/broker-proxy.ts';
import { freePort } from '../test/support/child.ts';
import { startFauxqsServer } from '../test/support/fauxqs.ts';
import { startPubsubEmulator } from '../test/support/pubsub-emulator.ts';
import { startTcpProxy, type TcpProxy } from '../test/support/tcp-proxy.ts';
import { createProducer } from './soak/broker.ts';
import { createBucketChanges } from './soak/bucket.ts';
import { compareBucket, compareFiles, compareLog, compareReplay, verifyByCommand } from './soak/compare.ts';
import { startFaultProxy } from './soak/proxy.ts';
import { type Counts, createCounts, createRandom, type Random } from './soak/random.ts';
import { type Soaked, soakReport } from './soak/report.ts';
import { superviseService } from './soak/service.ts';

const filesAtFirst = 250;
const beginMsMax = 120_000;
/** Of what a killed daemon had in hand, the leases have to run out first. */
const settleMsMax = 300_000;
const idleMs = 4_000;
const token = 'soak-token';

const say = (text: string): void => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

/** Waits until `done`; resolves with the time it took, or undefined when that is more than `msMax`. */
const within = async (msMax: number, done: () => Promise<boolean>): Promise<number | undefined> => {
  const begun = performance.now();
  while (performance.now() - begun < msMax) {
    if (await done()) return performance.now() - begun;
    await sleep(500);
  }
  return undefined;
};

/** Cuts a connection for a moment, again and again until `end`. */
const meddleWithConnection = async (name: string, proxy: TcpProxy, random: Random, counts: Counts, end: number) => {
  for (;;) {
    const waitMs = random.between(10_000, 40_000);
    const cutMs = random.between(50, 4_000);
    if (performance.now() + waitMs + cutMs > end) return;
    await sleep(waitMs);
    counts.add(`${name} cut`);
    proxy.cut();
    await sleep(cutMs);
    proxy.restore();
  }
};

const soak = async (minutes: number, seed: number): Promise<Soaked> => {
  const folder = await mkdtemp(join(tmpdir(), 's3-sync-soak-'));
  const counts = {
    changes: createCounts(),
    events: createCounts(),
    requests: createCounts(),
    connections: createCounts(),
    kills: createCounts(),
  };
  const random = (actor: number): Random => createRandom(seed * 16 + actor);
  const closes: (() => Promise<void> | void)[] = [];
  try {
    say(`seed ${seed}, everything in ${folder}; starting the servers`);
    const emulator = await startPubsubEmulator();
    closes.push(emulator.stop);
    const s3 = await startFauxqsServer();
    closes.push(s3.stop);
    const toBroker = await startBrokerProxy(Number(emulator.host.split(':')[1]));
    const toBucket = await startTcpProxy(Number(new URL(s3.url).port));
    closes.push(toBroker.stop, toBucket.stop);
    const filesPort = await freePort();
    const filesUrl = `http://127.0.0.1:${filesPort}`;
    const proxy = await startFaultProxy({ target: filesUrl, random: random(1), counts: counts.requests, share: 0.15 });
    closes.push(proxy.close);

    const access = { endpoint: s3.url, region: s3.region, accessKey: s3.accessKey, secretKey: s3.secretKey };
    const writer = createBucketWriter({ ...access, bucket: 'soak' });
    const bucket = createBucket({ ...access, bucket: 'soak' });
    await writer.create();
    const producer = await createProducer({ emulatorHost: emulator.host, random: random(2), counts: counts.events });
    closes.push(producer.close);
    const customer = createBucketChanges({
      writer,
      random: random(3),
      counts: counts.changes,
      publish: producer.publish,
    });
    await customer.fill(filesAtFirst);

    const root = join(folder, 'files');
    const environment = {
      DATA_DIR: join(folder, 'data'),
      CUSTOMER_S3_ENDPOINT: `http://127.0.0.1:${toBucket.port}`,
      CUSTOMER_S3_ACCESS_KEY: s3.accessKey,
      CUSTOMER_S3_SECRET_KEY: s3.secretKey,
      CUSTOMER_S3_BUCKET: 'soak',
      FILE_MANAGER_API_URL: proxy.url,
      FILE_MANAGER_TOKEN: token,
      ...producer.environment,
      PUBSUB_EMULATOR_HOST: `127.0.0.1:${toBroker.port}`,
      SYNC_INTERVAL: '1',
      GATE_DELETE_SHARE_MAX: '1',
    };
    const fileManager = superviseService({
      name: 'file manager',
      args: ['file-manager', '--root', root, '--port', String(filesPort)],
      environment: { FILE_MANAGER_TOKEN: token },
      logFile: join(folder, 'file-manager.log'),
      random: random(4),
      counts: counts.kills,
      failpoints: failpoints.fileManager,
      killEveryMs: [12_000, 35_000],
    });
    closes.push(fileManager.stop);
    const daemon = superviseService({
      name: 'daemon',
      args: ['daemon'],
      environment,
      logFile: join(folder, 'daemon.log'),
      random: random(5),
      counts: counts.kills,
      failpoints: [...failpoints.service, ...failpoints.scan],
      killEveryMs: [8_000, 25_000],
    });
    closes.push(daemon.stop);

    const config = loadConfig(environment);
    const status = () => readStatus(config).catch(() => undefined);
    const begun = await within(beginMsMax, async () => (await status())?.records.mirror_files === filesAtFirst);
    if (begun === undefined) throw new Error(`the initial sync did not end: see ${folder}/daemon.log`);
    say(`the file manager holds the ${filesAtFirst} files that the bucket began with; changing the bucket`);

    const start = performance.now();
    const end = start + minutes * 60_000;
    const meddling = [
      meddleWithConnection('broker', toBroker, random(6), counts.connections, end),
      meddleWithConnection('bucket', toBucket, random(7), counts.connections, end),
    ];
    const pauses = random(8);
    let told = start;
    while (performance.now() < end) {
      for (let left = pauses.chance(0.05) ? 40 : 1; left > 0; left -= 1) await customer.change();
      await sleep(pauses.between(10, 400));
      if (performance.now() - told < 30_000) continue;
      told = performance.now();
      say(
        `${counts.changes.total()} changes, ${counts.requests.total()} requests meddled with, ${counts.kills.total()} ends`,
      );
    }
    await Promise.all(meddling);
    await producer.flush();
    proxy.behave();
    fileManager.spare();
    daemon.spare();
    const chaosMs = performance.now() - start;
    say('everything is let be; waiting until nothing is left to do');

    let offset = 0;
    let toldSettling = performance.now();
    const settledMs = await within(settleMsMax, async () => {
      const now = await status();
      if (!now) return false;
      offset = now.log.last_offset;
      const { files, mirror_files: mirror, dirty } = now.records;
      const quiet = dirty === 0 && now.projections.lag_events === 0 && now.reports_waiting === 0;
      const held = files === customer.held.size && mirror === files;
      const missing = await compareLog(config.paths.log, producer);
      if (performance.now() - toldSettling > 15_000) {
        toldSettling = performance.now();
        say(`${missing.length} messages to come, ${dirty} paths differ, ${now.reports_waiting} reports wait`);
      }
      return quiet && held && missing.length === 0;
    });
    await sleep(idleMs / 2);
    const requests = proxy.requests();
    await sleep(idleMs);
    const idleRequests = proxy.requests() - requests;

    say('comparing');
    const direct = { ...environment, CUSTOMER_S3_ENDPOINT: s3.url, FILE_MANAGER_API_URL: filesUrl };
    const client = createFileManagerClient({ baseUrl: filesUrl, token });
    const cycles = await reportedCycles(filesUrl);
    const comparisons = [
      { name: 'the bucket holds what was put there', found: await compareBucket(bucket, customer.held) },
      { name: "the file manager's disk holds the same", found: await compareFiles(root, client, customer.held) },
      { name: 'verify --checksum finds all three sides equal', found: await verifyByCommand(direct) },
      { name: 'the log holds each event once, without a hole', found: await compareLog(config.paths.log, producer) },
      {
        name: 'nothing is waiting, and idle cycles ask nothing of the file manager',
        found: [
          ...(settledMs === undefined
            ? [`not settled within ${settleMsMax / 1000} s: ${JSON.stringify(await status())}`]
            : []),
          // As long as something is to be done, requests are no fault.
          ...(settledMs !== undefined && idleRequests > 0
            ? [`${idleRequests} requests while nothing was to be done`]
            : []),
        ],
      },
      {
        name: 'each report arrived once',
        found: cycles.length === new Set(cycles).size ? [] : ['some cycles were reported twice'],
      },
      { name: 'neither process ended by itself', found: [...daemon.surprises, ...fileManager.surprises] },
    ];
    await daemon.stop();
    comparisons.push({ name: 'a replay of the log gives the same bytes', found: await compareReplay(direct) });
    bucket.close();
    writer.close();
    await fileManager.stop();
    if (comparisons.every(({ found }) => found.length === 0)) await rm(folder, { recursive: true, force: true });
    return {
      seed,
      chaosMs,
      settledMs,
      folder,
      changes: counts.changes,
      events: { published: producer.ids.size, faults: counts.events, offset },
      requests,
      requestFaults: counts.requests,
      connectionFaults: counts.connections,
      kills: counts.kills,
      restarts: [],
      cycles: cycles.length,
      rssBytes: { daemon: daemon.rssBytesMax(), fileManager: fileManager.rssBytesMax() },
      comparisons,
    };
  } finally {
    // What was opened last ends first.
    for (const close of closes.reverse()) await close();
  }
};

/** Names of the cycles whose reports the file manager has; it keeps the last thousand. */
const reportedCycles = async (url: string): Promise<string[]> => {
  const response = await fetch(`${url}/reports?limit=1000`, { headers: { authorization: `Bearer ${token}` } });
  const { reports } = (await response.json()) as { reports: { report: { cycle: string } }[] };
  return reports.map(({ report }) => report.cycle);
};

const wholeNumber = (text: string | undefined, fallback: number): number => {
  const number = text === undefined || text === '' ? fallback : Number(text);
  if (Number.isFinite(number) && number > 0) return number;
  process.stderr.write('usage: node scripts/soak.ts [MINUTES [SEED]]\n');
  process.exit(2);
};

const [minutes, seed] = process.argv.slice(2);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const soaked = await soak(wholeNumber(minutes, 3), Math.floor(wholeNumber(seed, Date.now() % 1_000_000)));
process.stdout.write(soakReport(soaked));
process.exitCode = soaked.comparisons.some(({ found }) => found.length > 0) ? 1 : 0;
