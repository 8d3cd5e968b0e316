import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { openLog } from '../../src/log/log.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { runCli, startCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { runCommand } from './in-process.ts';

/** A data folder with four events in its log, and what was done to them by hand. */
const folderWith = async (damage = ''): Promise<{ folder: string; env: Record<string, string> }> => {
  const folder = await freshFolder();
  const env = { DATA_DIR: join(folder, 'data') };
  const lines = [1, 2, 3, 4].map((at) =>
    JSON.stringify({ id: `e${at}`, type: 'create', time: '2026-01-01T00:00:00Z', path: `files/${at}`, size: at }),
  );
  const { code, stderr } = await runCli(['ingest', '-'], env, lines.join('\n'));
  if (code !== 0) throw new Error(stderr);
  const log = await openDatabase({ path: join(folder, 'data/events.db'), mode: 'write' });
  await log.exec(`DROP TRIGGER event_no_update; DROP TRIGGER event_no_delete; ${damage}`);
  await log.close();
  return { folder, env };
};

const offsetsOf = (printed: string): number[] =>
  printed
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { offset: number }).offset);

for (const [title, damage] of [
  ['was changed', `UPDATE event SET path = 'files/x' WHERE "offset" = 3`],
  ['is missing', 'DELETE FROM event WHERE "offset" = 3'],
] as const) {
  test(`an event that ${title} is neither printed nor folded, and leaves no file; what lies before it is there`, async (t) => {
    const { folder, env } = await folderWith(damage);
    const into = join(folder, 'views.db');
    for (const flags of [['--print'], ['--print', '--from', '2'], ['--print', '--rate', '100'], ['--into', into]]) {
      const { code, stdout, stderr } = await runCli(['replay', ...flags], env);
      t.is(code, 1, flags.join(' '));
      t.is(stdout, '');
      t.regex(stderr, /damaged at offset 3: /);
    }
    t.deepEqual(await readdir(folder), ['data']);
    const before = await runCli(['replay', '--print', '--to', '2'], env);
    t.deepEqual([before.code, offsetsOf(before.stdout)], [0, [1, 2]]);
    t.is((await runCli(['replay', '--to', '2', '--into', into], env)).code, 0);
    t.deepEqual(await readdir(folder), ['data', 'views.db']);
    await removeFolder(folder);
  });
}

test('what is printed has one spelling, of events and of outcomes', async (t) => {
  const { folder, env } = await folderWith();
  const log = await openLog(join(folder, 'data/events.db'));
  const outcome = {
    type: 'outcome',
    operation: 'save',
    time: '2026-01-01T00:00:00Z',
    path: 'files/1',
    size: 1,
  } as const;
  const facts = {
    modifiedAt: '2026-01-01T00:00:00Z',
    key: 'k',
    permissions: '0600',
    fileId: 1,
    source: 'file-manager',
  } as const;
  await log.append([{ ...outcome, ...facts, id: 'outcome:a', fileOffset: 2 }]);
  await log.close();
  const { stdout } = await runCli(['replay', '--print', '--from', '5'], env);
  const { modifiedAt, fileId, ...rest } = facts;
  t.deepEqual(JSON.parse(stdout), {
    offset: 5,
    ...outcome,
    ...rest,
    id: 'outcome:a',
    modified_at: modifiedAt,
    file_id: fileId,
    file_offset: 2,
  });
  await removeFolder(folder);
});

test('any part of a sound log is printed, at any pace', async (t) => {
  const { folder, env } = await folderWith();
  const print = async (...flags: string[]): Promise<number[]> =>
    offsetsOf((await runCli(['replay', '--print', ...flags], env)).stdout);
  t.deepEqual(await print(), [1, 2, 3, 4]);
  t.deepEqual(await print('--from', '3'), [3, 4]);
  t.deepEqual(await print('--from', '2', '--to', '3', '--rate', '1'), [2, 3]);
  t.deepEqual(await print('--from', '5'), []);
  await removeFolder(folder);
});

test('a replay into a file that is interrupted leaves no file, and the same command goes through', async (t) => {
  const { folder, env } = await folderWith();
  const args = ['replay', '--into', join(folder, 'views.db')];
  const { child, finished } = startCli([...args, '--rate', '1'], env);
  for (let look = 0; look < 400 && (await readdir(folder)).length === 1; look += 1) await sleep(25);
  child.kill('SIGINT');
  const { code, stderr } = await finished;
  t.is(code, 1);
  t.regex(stderr, /stopped at offset \d: nothing was changed/);
  t.deepEqual(await readdir(folder), ['data']);
  const again = await runCli(args, env);
  t.is(again.code, 0, again.stderr);
  t.deepEqual(await readdir(folder), ['data', 'views.db']);
  await removeFolder(folder);
});

test('a replay into a file begins anew where a killed one, whose process had the same id, has left a part', async (t) => {
  const { folder, env } = await folderWith();
  const into = join(folder, 'views.db');
  const left = `${into}.tmp-${process.pid}`;
  t.is((await runCli(['replay', '--to', '2', '--into', into], env)).code, 0);
  await rename(into, left);
  const killed = await openDatabase({ path: left, mode: 'write' });
  await killed.exec('UPDATE file SET size = 99');
  await killed.close();
  t.regex(await runCommand('replay', [], { flags: { into }, environment: env }), /Folded up to offset 4/);
  t.deepEqual(await readdir(folder), ['data', 'views.db']);
  const views = await openDatabase({ path: into, mode: 'read' });
  t.deepEqual(await views.all('SELECT size FROM file ORDER BY size'), [
    { size: 1 },
    { size: 2 },
    { size: 3 },
    { size: 4 },
  ]);
  await views.close();
  await removeFolder(folder);
});
