import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { startCli } from '../support/cli.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

test('a demo that is left running has its folder alone, and its settings can be read by a shell', async (t) => {
  t.timeout(120_000);
  const parent = await freshFolder();
  t.teardown(() => removeFolder(parent));
  const folder = join(parent, 'with a space');
  await mkdir(folder);
  const { child, finished } = startCli(['demo', '--keep'], {}, folder);
  t.teardown(() => void child.kill());
  const running = new Promise<void>((resolve) => {
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk;
      if (said.includes('Still running')) resolve();
    });
  });
  t.is(await Promise.race([running, finished]), undefined);
  const data = execFileSync('sh', ['-c', 'set -a; . .demo/env; exec printenv DATA_DIR'], { cwd: folder });
  t.is(data.toString(), `${join(folder, '.demo/data')}\n`);
  const second = await startCli(['demo'], {}, folder).finished;
  t.is(second.code, 1);
  t.regex(second.stderr, /\.demo is in use by 's3-sync demo' \(pid \d+, .*end it first.*--data-dir/);
  t.regex(await readFile(join(folder, '.demo/env'), 'utf8'), /FILE_MANAGER_TOKEN='demo-token'/);
  child.kill('SIGTERM');
  t.is((await finished).code, 0);
});

test('a demo runs in the folder of --data-dir, again too, logs as it is told, and empties no folder of anything else', async (t) => {
  t.timeout(120_000);
  const folder = await freshFolder();
  t.teardown(() => removeFolder(folder));
  await writeFile(join(folder, 'mine'), 'precious');
  const refused = await startCli(['demo', '--data-dir', folder], {}).finished;
  t.is(refused.code, 1);
  t.regex(refused.stderr, /holds something else than a demo.*name a new folder/);
  t.is(await readFile(join(folder, 'mine'), 'utf8'), 'precious');
  const own = join(folder, 'own');
  for (const level of ['warn', 'info']) {
    const { code, stdout, stderr } = await startCli(['demo', '--data-dir', own, '--log-level', level], {}).finished;
    t.is(code, 0, stderr);
    t.true(stdout.includes('All of it held'));
    t.is(stderr.includes('bucket listed'), level === 'info');
  }
});

test('the usual name is no permission to empty a folder that a link of that name leads to', async (t) => {
  const folder = await freshFolder();
  t.teardown(() => removeFolder(folder));
  const kept = join(folder, 'target/keepme/file');
  await mkdir(join(folder, 'target/keepme'), { recursive: true });
  await writeFile(kept, 'precious');
  await symlink('target', join(folder, '.demo'));
  for (const words of [[], ['--data-dir', `${join(folder, '.demo')}/`]]) {
    const { code, stderr } = await startCli(['demo', ...words], {}, folder).finished;
    t.is(code, 1, stderr);
    t.regex(stderr, /\.demo\/? holds something else than a demo.*name a new folder/);
    t.is(await readFile(kept, 'utf8'), 'precious');
  }
});

test('a demo finds its sample files wherever the project lies, also below a folder that is named dist', async (t) => {
  t.timeout(120_000);
  const folder = await freshFolder();
  t.teardown(() => removeFolder(folder));
  const root = join(import.meta.dirname, '../..');
  const clone = join(folder, 'dist/clone');
  for (const name of ['events', 'projections', 'src', 'fixtures/bucket', 'package.json'])
    await cp(join(root, name), join(clone, name), { recursive: true });
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/cli.ts', 'demo'], {
    cwd: clone,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: folder },
  });
  t.is(status, 0, stderr);
  t.true(stdout.includes('All of it held'));
  t.deepEqual(
    stdout.split('\n').filter((line) => line.length > 80),
    [],
  );
});
