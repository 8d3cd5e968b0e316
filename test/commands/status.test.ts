import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { statusText } from '../../src/commands/status.ts';
import { RefusedError, StopError } from '../../src/file-manager/client-errors.ts';
import { gateLimits } from '../../src/plan/gate.ts';
import { readStatus } from '../../src/status/status.ts';
import { listeningAt, runCli, startCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { worldTest } from '../support/world-test.ts';

const withWorld = worldTest({ timeoutMs: 60_000 });

const lines = [1, 2, 3]
  .map((at) => JSON.stringify({ id: `e${at}`, type: 'create', time: `2026-01-0${at}T00:00:00Z`, path: `f${at}` }))
  .join('\n');

test('status says that there is no event log, and reads of one when its last event happened', async (t) => {
  const folder = await freshFolder();
  const env = { DATA_DIR: join(folder, 'data') };
  const status = async (environment: Record<string, string>) => {
    const text = await runCli(['status'], environment);
    t.is(text.code, 0, text.stderr);
    const { stdout } = await runCli(['status', '--json'], environment);
    return { text: text.stdout.replace(/\s+/g, ''), log: (JSON.parse(stdout) as { log: object }).log };
  };
  const none = await status(env);
  t.regex(none.text, /Eventlogthereisnoneat.*data\/events\.dbyet/);
  t.like(none.log, { exists: false, last_offset: 0, last_event_at: null });

  // A writer is about to begin it, or found no room on the disk to begin it.
  await mkdir(env.DATA_DIR);
  await writeFile(join(env.DATA_DIR, 'events.db'), '');
  t.regex((await status(env)).text, /Eventlogthereisnoneat.*data\/events\.dbyet/);
  t.regex((await runCli(['snapshot'], env)).stderr, /there is no event log \S+ yet: 's3-sync initial-sync'/);

  t.is((await runCli(['ingest', '-'], env, lines)).code, 0);
  t.is((await runCli(['replay', '--to', '1'], env)).code, 0);
  const behind = await status(env);
  t.regex(behind.text, /Eventlogoffset3,lastevent2026-01-03T00:00:00Z/);
  t.like(behind.log, { exists: true, last_offset: 3, last_event_at: '2026-01-03T00:00:00Z' });

  const swapped = await runCli(['status'], { ...env, EVENT_LOG_PATH: join(env.DATA_DIR, 'projections.db') });
  t.is(swapped.code, 1);
  t.regex(swapped.stderr, /projections\.db holds something else than an event log/);

  const elsewhere = await status({ ...env, EVENT_LOG_PATH: join(folder, 'nowhere.db') });
  t.regex(elsewhere.text, /Eventlogthereisnoneat.*nowhere\.dbyet/);
  await removeFolder(folder);
});

test('status tells who writes to the data folder, by the lock and not by what a killed process has left', async (t) => {
  const folder = await freshFolder();
  const env = { DATA_DIR: folder, SOURCE: 'http', HTTP_PORT: '0', HTTP_UNAUTHENTICATED: 'true' };
  const writer = async () => {
    const [text, json] = [await runCli(['status'], env), await runCli(['status', '--json'], env)];
    return { line: /^Writer +(.*)$/m.exec(text.stdout)?.[1], json: JSON.parse(json.stdout).writer };
  };
  t.deepEqual(await writer(), { line: 'none at this moment: no daemon runs here', json: null });
  t.deepEqual(await readdir(folder), [], 'a look leaves nothing');

  const subscriber = startCli(['subscribe'], { ...env, LOG_LEVEL: 'info' });
  await listeningAt(subscriber.child);
  const running = await writer();
  t.like(running.json, { command: 'subscribe', pid: subscriber.child.pid });
  t.is(running.line, `'s3-sync subscribe' (pid ${subscriber.child.pid}, since ${running.json.since})`);

  // A writer that has just begun has not written its name to the end.
  await writeFile(join(folder, 'writer.json'), '');
  t.deepEqual(await writer(), { line: 'another process', json: {} });

  subscriber.child.kill('SIGKILL');
  await subscriber.finished;
  t.is((await writer()).json, null);
  await removeFolder(folder);
});

withWorld(
  'status says why the last cycle left something over, and what to do about a plan that is held',
  async (t, world) => {
    const text = async (): Promise<string> => statusText(await readStatus(world.config)).replace(/\s+/g, ' ');
    await world.put('a', 'content');
    const { client } = world;
    const saveToDisk = () => Promise.reject(new RefusedError(409, 'it is in the way'));
    await world.cycle({ fileManager: { ...client, saveToDisk } });
    t.regex(await text(), /Last cycle partial, .* 1 error save a: it is in the way /);
    const unauthorized = new StopError('unauthorized', 'check FILE_MANAGER_TOKEN');
    await world.cycle({ fileManager: { ...client, saveToDisk: () => Promise.reject(unauthorized) } });
    t.regex(await text(), /Last cycle partial, .* check FILE_MANAGER_TOKEN /);

    await world.put('a/b', 'beside it');
    await world.cycle();
    t.regex(await text(), /1 file is left out: a disk cannot hold the file "a" beside "a\/b"/);

    await world.append({ type: 'delete', path: 'a/b' });
    const { plan } = await world.cycle({ gate: { ...gateLimits, deleteMax: 0 } });
    t.regex(await text(), new RegExp(`HOLDS plan ${plan.id}: .* 's3-sync plan', .* 's3-sync apply ${plan.id}'`));
  },
);

withWorld(
  'status names no object as waiting that is wanted no more, also while the gate holds every cycle',
  async (t, world) => {
    await world.put('a', 'content');
    await world.append({ type: 'create', path: 'late', size: 4, etag: 'x' });
    await world.cycle();
    t.like(await readStatus(world.config), { superseded: { objects: 1, first: [{ path: 'late' }] } });
    for (const path of ['a', 'late']) await world.append({ type: 'delete', path });
    t.is((await world.cycle({ gate: { ...gateLimits, deleteMax: 0 } })).report.status, 'held');
    t.like(await readStatus(world.config), { superseded: { objects: 0, first: [] } });
  },
);
