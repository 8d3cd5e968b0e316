import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';
import { catalogue } from '../../src/commands/catalogue.ts';
import { statusText } from '../../src/commands/status.ts';
import { summaryOf } from '../../src/commands/summary.ts';
import { beside, counted, fitted } from '../../src/text.ts';
import { save } from '../file-manager/support.ts';
import { runCli } from '../support/cli.ts';
import { freshFolder } from '../support/folder.ts';
import { createWorld } from '../support/world.ts';

const root = join(import.meta.dirname, '../..');
const tooWide = (text: string): string[] => text.split('\n').filter((line) => line.length > 80);

test('a text that is too long goes on beneath itself, and a word that is too long stays whole', (t) => {
  t.is(beside('Gate  ', 'open'), 'Gate  open');
  const word = 'x'.repeat(90);
  t.is(beside('Gate  ', `a ${word} b`), `Gate  a\n      ${word}\n      b`);
  t.deepEqual(tooWide(beside('Gate  ', 'some words '.repeat(40))), []);
});

test('lines that are too long go on a little further in, and those that are not stay as they are', (t) => {
  t.is(fitted('a:\n  b  c\n'), 'a:\n  b  c\n');
  t.is(fitted(`  ${'word '.repeat(20)}end`), `  ${'word '.repeat(14)}word\n    ${'word '.repeat(5)}end`);
});

test('on a terminal no mistake is told in lines of more than 80 columns', async (t) => {
  const DATA_DIR = join(await freshFolder(), 'data');
  t.is((await runCli(['ingest', '-'], { DATA_DIR })).code, 0);
  const mistake = ['quarantine', 'drop', '123'];
  t.is((await runCli(mistake, { DATA_DIR })).stderr.split('\n').length, 2, 'in a file its line is whole');
  const NODE_OPTIONS = `--import data:text/javascript,${encodeURIComponent('process.stderr.isTTY = true')}`;
  const told = (await runCli(mistake, { DATA_DIR, NODE_OPTIONS })).stderr;
  t.regex(told, /there is no quarantined message 123/);
  t.deepEqual(tooWide(told), []);
});

test('one of anything is told in the singular', (t) => {
  t.deepEqual(
    [0, 1, 2].map((count) => counted(count, 'try', 'tries')),
    ['0 tries', '1 try', '2 tries'],
  );
  t.is(counted(1, 'file'), '1 file');
});

test('examples and the list of targets fit into 80 columns', (t) => {
  t.deepEqual(tooWide(catalogue.map(({ example }) => `  $ ${example}`).join('\n')), []);
  t.deepEqual(tooWide(execFileSync('make', ['-s', 'help'], { cwd: root, encoding: 'utf8' })), []);
});

test('what a cycle, a dry run, the self test and the status say names the place and fits into 80 columns', async (t) => {
  t.timeout(120_000);
  const world = await createWorld({ trashRetentionMs: 60_000 });
  t.teardown(world.close);
  for (const name of ['a', 'b', 'c']) await world.put(name, name);
  await world.cycle();
  await world.writer.delete('b');
  await world.append({ type: 'delete', path: 'b' });
  const { report } = await world.cycle();
  t.regex(summaryOf(report), /'undo [0-9a-f]{16}' brings it back/);
  const many = { save: 12_345, move: 12_345, rename: 12_345, update_permissions: 12_345, delete: 12_345 };
  t.deepEqual(tooWide(summaryOf({ ...report, planned: many, operations: many, retries: 123 })), []);
  t.regex(summaryOf({ ...report, retries: 1, unverified: 1 }), /1 retry\)[^]*unverified +1 file: .*of it/);
  t.deepEqual(tooWide(summaryOf({ ...report, unverified: 12_345, stopped: 'it failed '.repeat(20) })), []);

  await world.writer.put('a', Buffer.from('other'));
  await save(world.client, 'a', 'other');
  await world.release();
  const environment = {
    CUSTOMER_S3_ENDPOINT: world.access.endpoint,
    CUSTOMER_S3_ACCESS_KEY: world.access.accessKey,
    CUSTOMER_S3_SECRET_KEY: world.access.secretKey,
    CUSTOMER_S3_BUCKET: world.access.bucket,
    FILE_MANAGER_API_URL: world.server.url,
    DATA_DIR: world.config.paths.data,
  };
  const selfTest = await runCli(['test'], environment);
  t.regex(selfTest.stdout, /FAIL {2}final state +the sides differ: \* a \(the projection has another\s+content\)/);
  t.deepEqual(tooWide(selfTest.stdout), []);
  const dryRun = await runCli(['initial-sync', '--dry-run', '--json'], environment);
  t.is(dryRun.code, 0, dryRun.stderr);
  t.like(JSON.parse(dryRun.stdout), { listed: 2, missing: 0, stale: 1, gone: 0, complete: true });
  const status = JSON.parse((await runCli(['status', '--json'], environment)).stdout) as Parameters<
    typeof statusText
  >[0];
  const held = { id: 'x'.repeat(16), reasons: ['it would delete too much, '.repeat(9)], since: '' };
  const last_cycle = { ...report, status: 'failed' as const, stopped: 'it failed for a reason '.repeat(9) };
  const waits = {
    path: 'a long name '.repeat(9),
    reason: 'for a reason '.repeat(9),
    tries: 1,
    since: '',
    next_at: 'soon',
  };
  const waiting = { objects: 1, first: [waits] };
  const waitingText = statusText({
    ...status,
    last_cycle,
    unreadable: waiting,
    superseded: waiting,
    unanswered: waiting,
  });
  t.regex(waitingText, /Superseded {3}1 object is not in[^]*\(1\s+try\)/);
  t.regex(waitingText, /Unanswered {3}1 path, next try soon:/);
  t.deepEqual(
    tooWide(waitingText).filter((line) => !line.startsWith('Data folder')),
    [],
  );
  const text = statusText({ ...status, last_cycle, gate: { ...status.gate, held_plans: [held] } });
  t.true(text.includes('HOLDS plan'));
  t.deepEqual(
    tooWide(text).filter((line) => !line.startsWith('Data folder')),
    [],
  );
});
