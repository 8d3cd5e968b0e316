import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';

const cli = join(import.meta.dirname, '..', '..', 'src', 'cli.ts');

const run = (env: Record<string, string>): string =>
  execFileSync(process.execPath, [cli, '--version'], { encoding: 'utf8', env });

test('compiled code, which is run, is kept in a folder that is the user’s alone', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 's3-sync-home-'));
  const temporary = await mkdtemp(join(tmpdir(), 's3-sync-temporary-'));
  run({ HOME: home, TMPDIR: temporary });
  t.true(existsSync(join(home, '.cache', 's3-sync')));
  t.deepEqual(readdirSync(temporary), []);
  run({ HOME: home, TMPDIR: temporary, XDG_CACHE_HOME: join(home, 'elsewhere') });
  t.true(existsSync(join(home, 'elsewhere', 's3-sync')));
});

test('without a home, or with one that cannot be written, a command runs all the same', (t) => {
  for (const env of [{}, { HOME: '/dev/null' }]) t.regex(run(env), /^\d+\.\d+\.\d+\n$/);
});
