import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';

const root = join(import.meta.dirname, '..', '..');
const echo = `process.stdin.setEncoding('utf8').on('data', (text) => (input += text)).on('end', () => {
  console.log(JSON.stringify([where, process.argv.slice(2), input]));
  process.exitCode = 3;
}); let input = '';`;
const args = ['diff', 'an old file.csv', '', '*', '$HOME "quoted"'];

/** A project in a folder with a space in its name, and a `docker` that says what this test wants to hear. */
const project = (t: ExecutionContext, docker: string, link?: (folder: string) => string, installed = true) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 's3 sync cli ')));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['src', 'bin', 'node_modules/.bin']) mkdirSync(join(folder, name), { recursive: true });
  if (installed) symlinkSync(process.execPath, join(folder, 'node_modules/.bin/node'));
  copyFileSync(join(root, 'sync_cli.sh'), join(folder, 'sync_cli.sh'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'src', 'cli.ts'), `const where: string = 'here';${echo}`);
  writeFileSync(join(folder, 'container.ts'), `const where: string = 'container';${echo}`);
  writeFileSync(join(folder, 'bin', 'docker'), `#!/usr/bin/env bash\n${docker}\n`);
  chmodSync(join(folder, 'bin', 'docker'), 0o755);
  const run = spawnSync(link?.(folder) ?? join(folder, 'sync_cli.sh'), args, {
    encoding: 'utf8',
    cwd: tmpdir(),
    input: 'line one\nline two\n',
    env: { PATH: `${join(folder, 'bin')}:${process.env['PATH']}`, FOLDER: folder },
    timeout: 60_000,
  });
  return { status: run.status, output: JSON.parse(run.stdout || 'null'), stderr: run.stderr.replace(folder, 'FOLDER') };
};

const input = 'line one\nline two\n';

test('sync_cli.sh runs the command here when docker has no daemon, and keeps arguments, input and exit code', (t) => {
  const run = project(t, 'echo "cannot connect" >&2; cat >/dev/null; exit 1');
  t.deepEqual(run, { status: 3, output: ['here', args, input], stderr: '' });
});

const missing = "s3-sync: its packages are not installed in FOLDER: run 'make setup' there first (or 'npm ci')\n";

test('sync_cli.sh says what to do first where no packages are installed', (t) => {
  t.deepEqual(project(t, 'exit 0', undefined, false), { status: 2, output: null, stderr: missing });
});

test('sync_cli.sh runs the command here when the stack is down', (t) => {
  t.deepEqual(project(t, 'exit 0').output, ['here', args, input]);
});

test('sync_cli.sh runs the command in the container when the stack is up', (t) => {
  const docker = `
[ "$1 $2 $3" = "compose --project-directory $FOLDER" ] || exit 90
case "$4" in
  ps) [ "$*" = "compose --project-directory $FOLDER ps --quiet --status running sync-service" ] && echo 4f1c ;;
  exec) [ "$5 $6 $7" = '--no-TTY sync-service s3-sync' ] || exit 91
    shift 7; exec node "$FOLDER/container.ts" "$@" ;;
esac`;
  for (const installed of [true, false])
    t.deepEqual(project(t, docker, undefined, installed), {
      status: 3,
      output: ['container', args, input],
      stderr: '',
    });
});

test('sync_cli.sh finds its project through links to it, as s3-sync in PATH may be', (t) => {
  const linked = (folder: string): string => {
    mkdirSync(join(folder, 'elsewhere'));
    symlinkSync('../sync_cli.sh', join(folder, 'elsewhere', 's3-sync'));
    symlinkSync(join(folder, 'elsewhere', 's3-sync'), join(folder, 'bin', 's3-sync'));
    return join(folder, 'bin', 's3-sync');
  };
  t.deepEqual(project(t, 'exit 1', linked), { status: 3, output: ['here', args, input], stderr: '' });
});
