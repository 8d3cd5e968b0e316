import { join } from 'node:path';
import test from 'ava';
import { runCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

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

  t.is((await runCli(['ingest', '-'], env, lines)).code, 0);
  t.is((await runCli(['replay', '--to', '1'], env)).code, 0);
  const behind = await status(env);
  t.regex(behind.text, /Eventlogoffset3,lastevent2026-01-03T00:00:00Z/);
  t.like(behind.log, { exists: true, last_offset: 3, last_event_at: '2026-01-03T00:00:00Z' });

  const elsewhere = await status({ ...env, EVENT_LOG_PATH: join(folder, 'nowhere.db') });
  t.regex(elsewhere.text, /Eventlogthereisnoneat.*nowhere\.dbyet/);
  await removeFolder(folder);
});
