import { once } from 'node:events';
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { statusText } from '../../src/commands/status.ts';
import { noteFailed } from '../../src/cycle/failed.ts';
import { storePlan } from '../../src/plan/store.ts';
import { readStatus } from '../../src/status/status.ts';
import { runCli, startCli } from '../support/cli.ts';
import { createWorld, environmentOf, startRecorder } from '../support/world.ts';

test('dry runs leave the last cycle, its folder and the endpoints of reports alone', async (t) => {
  const world = await createWorld();
  const recorder = await startRecorder();
  t.teardown(() => void recorder.server.close());
  const reporting = { reportEndpoints: [{ url: recorder.url }], cyclesKept: 2 };
  for (let at = 0; at < 20; at++) await world.put(`f${at}`, `content ${at}`);
  const { folder } = await world.cycle(reporting);
  for (let at = 0; at < 15; at++) {
    await world.writer.delete(`f${at}`);
    await world.append({ type: 'delete', path: `f${at}` });
  }
  const before = await readStatus(world.config);
  for (let at = 0; at < 3; at++) {
    const dry = await world.cycle({ ...reporting, dryRun: true });
    t.is(dry.report.status, 'held', 'whoever asked is told');
    t.true((await readdir(dry.folder)).includes('operations.jsonl'));
  }
  const { last_cycle, gate, reports_waiting, reports_unclaimed } = await readStatus(world.config);
  t.deepEqual(
    { last_cycle, gate, reports_waiting, unclaimed: reports_unclaimed.reports },
    { last_cycle: before.last_cycle, gate: before.gate, reports_waiting: 0, unclaimed: 0 },
  );
  t.true((await readdir(folder)).includes('report.json'));
  await world.cycle(reporting);
  t.deepEqual(
    recorder.bodies.map((body) => (body as { status: string }).status),
    ['done', 'held'],
  );
  await world.cycle({ ...reporting, dryRun: true });
  t.is((await readStatus(world.config)).gate.held_plans.length, 1);
  await world.close();
});

test('status tells what waits for an endpoint apart from what waits for one that is not configured', async (t) => {
  const world = await createWorld();
  await world.put('f', 'content');
  const mock = 'http://127.0.0.1:1';
  await world.cycle({ reportEndpoints: [{ url: `${mock}/report` }] });
  t.teardown(world.close);
  await world.release();
  const status = async (environment: Record<string, string>): Promise<string> =>
    (await runCli(['status'], { DATA_DIR: world.config.paths.data, ...environment })).stdout;
  const configured = await status({ MOCK_API_URL: mock });
  t.regex(configured, /^Reports {6}1 waiting to be delivered\nGate/m);
  t.regex(
    await status({}),
    /^Reports {6}1 waiting to be delivered\nGate/m,
    'a shell without the settings of the daemon',
  );
  const removed = await status({ MOCK_API_URL: 'http://127.0.0.1:2' });
  t.regex(removed, /^Reports {6}0 waiting to be delivered\nUnclaimed {4}1 report /m);
  t.true(removed.includes(join(world.config.paths.data, 'outbox', '')), removed);
});

test('a cycle that fails as a whole is the last one, with its reason, and is an error; what is held stays held', async (t) => {
  const world = await createWorld();
  for (let at = 0; at < 20; at++) await world.put(`f${at}`, `content ${at}`);
  await world.cycle();
  await world.append({ type: 'delete', path: 'f0' });
  const down = { ...world.client, describe: () => Promise.reject(new Error('the file manager is down')) };
  await t.throwsAsync(world.cycle({ fileManager: down }), { message: 'the file manager is down' });
  const failed = await readStatus(world.config);
  t.like(failed, { last_cycle: { status: 'failed', stopped: 'the file manager is down' }, errors: { last_cycle: 1 } });
  for (let at = 1; at < 15; at++) await world.append({ type: 'delete', path: `f${at}` });
  const { plan } = await world.cycle();
  for (let times = 0; times < 4; times++) await t.throwsAsync(world.cycle({ fileManager: down, cyclesKept: 1 }));
  t.deepEqual(
    (await readStatus(world.config)).gate.held_plans.map(({ id }) => id),
    [plan.id],
    'however often it fails',
  );
  const { folder } = await world.cycle();
  const options = { workspace: world.workspace(), dataFolder: world.config.paths.data, cyclesKept: 10 };
  await noteFailed(options, new Error('the outbox is read-only'), new Date(), basename(folder));
  t.is((await readStatus(world.config)).last_cycle?.status, 'held', 'and what fails behind its report');
  await world.close();
});

test('of cycles that were cut off, however many in a row, the last one is kept', async (t) => {
  const world = await createWorld();
  await world.put('f', 'content');
  const { folder } = await world.cycle();
  await world.put('f', 'other content');
  const cutOff = {
    signal: AbortSignal.abort(),
    fileManager: { ...world.client, describe: () => Promise.reject(new Error('cut off')) },
  };
  for (let at = 0; at < 4; at++) await t.throwsAsync(world.cycle(cutOff), { message: 'cut off' });
  const [first, ...others] = (await readdir(join(folder, '..'))).sort();
  t.is(first, basename(folder), 'one that came to its end stays');
  t.is(others.length, 2, 'one before the newest');
  t.is((await world.cycle()).report.status, 'done');
  await world.close();
});

test('a report that is damaged is named by the status, which shows the cycle before; the next cycle goes on', async (t) => {
  const world = await createWorld();
  t.teardown(world.close);
  for (let at = 0; at < 20; at++) await world.put(`f${at}`, `content ${at}`);
  await world.cycle();
  for (let at = 0; at < 15; at++) await world.append({ type: 'delete', path: `f${at}` });
  const held = await world.cycle();
  const whole = await readStatus(world.config);
  t.deepEqual(whole.reports_damaged, []);
  const cycles = join(world.config.paths.data, 'cycles');
  const newer = join(cycles, '2099-01-01T00-00-00-000Z');
  const path = join(newer, 'report.json');
  await mkdir(newer);
  const noteFailure = () =>
    noteFailed(
      { workspace: world.workspace(), dataFolder: world.config.paths.data, cyclesKept: 10 },
      new Error('the file manager is down'),
      new Date(),
    );
  for (const [text, problem] of [
    ['', /^it is empty$/],
    ['{"format":1,"status":"do', /^it is no JSON: /],
    ['[]', /^it holds no object$/],
    ['null', /^it holds no object$/],
    ['{"format":1,"status":"done"}', /^its finished_at is missing, or of another kind$/],
    [JSON.stringify({ ...held.report, states: null }), /^its states is missing, or of another kind$/],
    [undefined, /^it cannot be read \(EISDIR\)$/],
  ] as const) {
    await (text === undefined ? mkdir(path) : writeFile(path, text));
    const status = await readStatus(world.config);
    t.deepEqual(
      status.reports_damaged.map((one) => one.path),
      [path],
    );
    t.regex(status.reports_damaged[0]?.problem ?? '', problem);
    t.like(status, { last_cycle: whole.last_cycle, gate: whole.gate, errors: whole.errors });
    const shown = statusText(status).replace(/\s+/g, ' ');
    t.true(shown.includes(` Damaged ${path}: ${status.reports_damaged[0]?.problem}. `), shown);
    await noteFailure();
    t.like(await readStatus(world.config), { last_cycle: { status: 'failed' }, gate: whole.gate });
    for (const name of (await readdir(cycles)).filter((one) => one > basename(newer)))
      await rm(join(cycles, name), { recursive: true });
    await rm(path, { recursive: true });
  }
  await writeFile(path, '{');
  const next = await world.cycle({ cyclesKept: 1 });
  t.like(await readStatus(world.config), { last_cycle: { cycle: next.report.cycle }, reports_damaged: [] });
});

test('a plan whose file is damaged is named by the status: whether the gate holds it is not known', async (t) => {
  const world = await createWorld();
  t.teardown(world.close);
  for (let at = 0; at < 20; at++) await world.put(`f${at}`, `content ${at}`);
  await world.cycle();
  for (let at = 0; at < 15; at++) await world.append({ type: 'delete', path: `f${at}` });
  const { plan } = await world.cycle();
  t.like(await readStatus(world.config), { gate: { held_plans: [{ id: plan.id }] }, plans_damaged: [] });
  const path = join(world.config.paths.data, 'plans', `${plan.id}.json`);
  for (const [text, problem] of [
    ['', /^it is no JSON: /],
    ['null', /^it holds no plan of this id$/],
    [JSON.stringify({ plan }), /^it holds no plan of this id$/],
  ] as const) {
    await writeFile(path, text);
    const status = await readStatus(world.config);
    t.deepEqual(
      status.plans_damaged.map((one) => one.path),
      [path],
    );
    const [damaged] = status.plans_damaged;
    t.regex(damaged?.problem ?? '', problem);
    const shown = statusText(status).replace(/\s+/g, ' ');
    t.true(shown.includes(` Damaged ${path}: ${damaged?.problem}. `), shown);
  }
  await storePlan(join(path, '..'), { plan, held: ['too much'] });
  t.deepEqual((await readStatus(world.config)).plans_damaged, []);
});

for (const [title, away] of [
  ['file manager', { FILE_MANAGER_API_URL: 'http://127.0.0.1:1' }],
  ['bucket', { CUSTOMER_S3_ENDPOINT: 'http://127.0.0.1:1' }],
] as const) {
  test(`a daemon whose ${title} is away from its start says so in its status`, async (t) => {
    t.timeout(90_000);
    const world = await createWorld();
    await world.writer.put('a', Buffer.from('content'));
    await world.release();
    const environment = { ...environmentOf(world), ...away };
    const daemon = startCli(['daemon'], environment);
    try {
      const lines = createInterface({ input: daemon.child.stderr as NodeJS.ReadableStream });
      const ended = once(daemon.child, 'close').then(() => 'the daemon ended');
      const failed = new Promise((resolve) => {
        lines.on('line', (line) => line.includes('cycle failed') && resolve('failed'));
      });
      t.is(await Promise.race([failed, ended]), 'failed');
      const { code, stdout } = await runCli(['status'], environment);
      t.is(code, 0);
      t.regex(stdout, new RegExp(`Last cycle {3}failed, .* 1 error\\n {13}\\S.*${title}`));
    } finally {
      daemon.child.kill('SIGTERM');
      await daemon.finished;
      await world.close();
    }
  });
}

test('what a person keeps beside the cycles is none of them: it is not shown, counted or removed', async (t) => {
  const world = await createWorld();
  t.teardown(world.close);
  await world.put('a', 'content');
  const { folder, report } = await world.cycle();
  const cycles = join(folder, '..');
  const kept = ['0 begun', `${report.cycle} kept`, 'kept in 2099'].map((name) => join(cycles, name));
  for (const copy of kept) await cp(folder, copy, { recursive: true });
  const { report: next } = await world.cycle({ cyclesKept: 1 });
  t.deepEqual((await readdir(cycles)).sort(), [...kept.map((copy) => basename(copy)), next.cycle].sort());
  t.true(next.cycle < '2099', next.cycle);
  t.is((await readStatus(world.config)).last_cycle?.cycle, next.cycle);
});
