import test from 'ava';
import { statusText } from '../../src/commands/status.ts';
import { summaryOf } from '../../src/commands/summary.ts';
import { loadConfig } from '../../src/config/config.ts';
import { harmlessLine } from '../../src/harmless.ts';
import { createLogger } from '../../src/logger.ts';
import { describePlan } from '../../src/plan/describe.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { readStatus } from '../../src/status/status.ts';
import { changesBetween } from '../plan/model.ts';
import { row } from '../plan/tables.ts';
import { runCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';
import { createWorld, environmentOf } from '../support/world.ts';

/** A path that turns a terminal red, ends the line, and goes on as a line of its own. */
const evil = 'esc\u001b[31m\u009b31m\u202e\nok    forged';
const spelled = 'esc\\u{1b}[31m\\u{9b}31m\\u{202e}\\u{a}ok    forged';
const acting = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]|^ok {4}forged/m;

test('a path is spelled in one way for a person, wherever it is shown', async (t) => {
  t.timeout(60_000);
  t.is(harmlessLine(evil), spelled);
  const world = await createWorld({ trashRetentionMs: 60_000 });
  t.teardown(world.close);
  await world.put(evil, 'content');
  for (const name of ['a', 'b', 'c']) await world.put(name, name);
  await world.cycle();
  await world.writer.delete(evil);
  await world.append({ type: 'delete', path: evil });
  const { plan, report } = await world.cycle();
  await world.release();
  const environment = environmentOf(world);
  const undone = await runCli(['undo', plan.id], environment);
  await world.writer.put(evil, Buffer.from('content'));
  const failures = [{ path: evil, kind: 'save' as const, state: 'failed' as const, reason: `it is ${evil}` }];
  const waits = { path: evil, reason: `it is ${evil}`, tries: 1, since: '', next_at: 'soon' };
  const waiting = { objects: 1, first: [waits] };
  const status = await readStatus(loadConfig({ DATA_DIR: await freshFolder() }));
  const gate = { held_plans: [{ id: 'x', reasons: [evil], since: '' }] };
  const shown = {
    plan: describePlan(planChanges(changesBetween([], [row(evil, 1)])), []),
    undo: undone.stdout,
    test: (await runCli(['test'], environment)).stdout,
    verify: (await runCli(['verify'], environment)).stdout,
    status: statusText({
      ...status,
      last_cycle: { ...report, status: 'failed', stopped: evil },
      unreadable: waiting,
      superseded: waiting,
      unanswered: waiting,
      gate: { ...status.gate, ...gate },
    }),
    summary: summaryOf({ ...report, stopped: evil, failures, unplaceable: [{ path: evil, reason: evil }] }),
  };
  for (const [command, text] of Object.entries(shown)) {
    t.true(text.replace(/\s+/g, ' ').includes(spelled.replace(/\s+/g, ' ')), `${command}: ${text}`);
    t.notRegex(text, acting, command);
  }
});

test('a check of the self test that fails for several reasons begins no line that could pass for another check', async (t) => {
  t.timeout(60_000);
  const world = await createWorld();
  t.teardown(world.close);
  for (const name of ['a', 'b', 'c']) await world.put(name, name);
  await world.cycle();
  for (const name of ['a', 'b', 'c']) await world.append({ type: 'delete', path: name });
  await world.release();
  const { stdout } = await runCli(['test'], { ...environmentOf(world), GATE_DELETE_MAX: '1' });
  t.regex(stdout, /^FAIL {2}incremental sync {5}the safety gate holds this cycle:\n {29}it would delete/m);
});

test('a log for a terminal neither steers it nor passes for other lines', (t) => {
  const { isTTY, write } = process.stderr;
  let written = '';
  Object.assign(process.stderr, { isTTY: true, write: (text: string) => ((written += text), true) });
  try {
    createLogger('info').info({ path: evil }, 'path cannot be placed');
  } finally {
    Object.assign(process.stderr, { isTTY, write });
  }
  t.regex(written, /path cannot be placed[^]*"esc\\u001b\[31m\\u\{9b\}31m\\u\{202e\}\\nok {4}forged"/);
});
