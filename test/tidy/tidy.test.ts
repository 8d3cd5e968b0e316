import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import test from 'ava';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Tracked files and new ones that are not ignored, as they are on the disk. */
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)) && statSync(join(root, path)).isFile());
const code = files.filter((path) => path.endsWith('.ts'));
const product = code.filter((path) => /^(src|events|projections)\//.test(path));

const importsOf = (path: string): string[] =>
  [
    ...read(path).matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*'([^']+)'|import\(\s*'([^']+)'|(?:^|\n)import '([^']+)'/g,
    ),
  ].map((match) => (match[1] ?? match[2] ?? match[3]) as string);

/** Where each outside library may be imported, and nowhere else. */
const homes: Readonly<Record<string, RegExp>> = {
  sqlite3: /^src\/storage\//,
  sqlite: /^src\/storage\//,
  '@google-cloud/pubsub': /^src\/sources\//,
  '@aws-sdk/client-sqs': /^src\/sources\//,
  '@aws-sdk/client-s3': /^src\/(bucket|file-manager)\//,
  ky: /^src\/(file-manager|report)\//,
  csv: /^src\/snapshot\//,
  pino: /^src\/logger\.ts$/,
  'pino-pretty': /^src\/logger\.ts$/,
  commander: /^src\/program\.ts$/,
  jose: /^src\/sources\//,
  fauxqs: /^src\/demo\//,
  fastify: /^src\/(file-manager|sources|status)\//,
  rxjs: /^src\/(sources|intake|scan|cycle|commands)\//,
  yaml: /^src\/file-manager\//,
};

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

test('the tidy test sees the code', (t) => {
  t.true(product.length > 20);
  t.true(product.flatMap(importsOf).length > 40);
});

test('no file of the product is longer than 300 lines', (t) => {
  const long = product.filter((path) => read(path).split('\n').length - 1 > 300);
  t.deepEqual(long, []);
});

test('imports point one way: events, then projections, then src', (t) => {
  const allowed: Readonly<Record<string, readonly string[]>> = {
    events: ['events'],
    projections: ['events', 'projections'],
    src: ['events', 'projections', 'src'],
  };
  const wrong = product.flatMap((path) =>
    importsOf(path)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => posix.join(dirname(path), specifier))
      .filter((target) => !allowed[path.split('/')[0] as string]?.includes(target.split('/')[0] as string))
      .map((target) => `${path} imports ${target}`),
  );
  t.deepEqual(wrong, []);
});

test('each outside library is imported only where it belongs', (t) => {
  const wrong = product.flatMap((path) =>
    importsOf(path)
      .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
      .filter((specifier) => !homes[packageOf(specifier)]?.test(path))
      .map((specifier) => `${path} imports ${specifier}`),
  );
  t.deepEqual(wrong, []);
});

test('diff and plan decide without I/O: three files of them touch the disk, and nothing else of ours that does is imported', (t) => {
  const deciding = product.filter((path) => /^src\/(diff|plan)\//.test(path));
  const onDisk = deciding.filter((path) => /node:(fs|child_process|net|http|worker_threads)/.test(read(path)));
  t.deepEqual(onDisk, ['src/diff/records.ts', 'src/plan/store.ts', 'src/plan/undo.ts']);
  const wrong = deciding
    .filter((path) => !onDisk.includes(path))
    .flatMap((path) => importsOf(path).map((specifier) => posix.join(dirname(path), specifier)))
    .filter(
      (target) => /^src\/[^/]+\//.test(target) && !/^src\/(diff|plan|node:[a-z]+|snapshot\/csv\.ts)/.test(target),
    );
  t.deepEqual(wrong, []);
});

test('no file only passes on what others export', (t) => {
  const barrels = product.filter((path) => /(^|\n)export (\*|(type )?\{[^}]*\}) from /.test(read(path)));
  t.deepEqual(barrels, []);
});

test('the type checker is never told to look away', (t) => {
  const escape = new RegExp(
    String.raw`@ts-(?:ignore|nocheck|expect-error)|\bas any\b|(?:[:<,|]\s*)any\b(?=[\s;,)>\]=|[])`, // names what is looked for; nothing here is left open
  );
  const wrong = code.filter((path) =>
    read(path)
      .split('\n')
      .some(
        (line) =>
          !/^\s*(\*|\/\/|\/\*)/.test(line) &&
          !line.includes('new RegExp(') &&
          escape.test(line.replace(/'[^']*'/g, "''")),
      ),
  );
  t.deepEqual(wrong, []);
});

test('no committed text names a place of one machine', (t) => {
  const place = new RegExp(['/work', '/root', '/home/[a-z]+'].map((path) => `${path}/`).join('|'));
  const text = files.filter((path) =>
    /\.(ts|json|ya?ml|md|sh|ps1|py|txt|sql|example)$|^(Makefile|Dockerfile|\.ci\/run|scripts\/[^.]+)$/.test(path),
  );
  t.deepEqual(
    text.filter((path) => path !== 'package-lock.json' && place.test(read(path))),
    [],
  );
});

test('everything that the Makefile, .ci/run and package.json call exists', (t) => {
  const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts;
  const calls = [read('Makefile'), read('.ci/run'), ...Object.values(scripts)].join('\n');
  const paths = [
    ...calls.matchAll(/(?:^|[\s@=])(?:node (?:--\S+ )*|\.\/)?((?:scripts|src|bench|\.ci)\/[\w./-]+|sync_cli\.sh)/g),
  ];
  t.true(paths.length > 3);
  for (const [, path] of paths) t.true(existsSync(join(root, path as string)), path);
  for (const [, name] of read('Makefile').matchAll(/npm run (?:--silent )?([\w:-]+)/g)) {
    t.true((name as string) in scripts, `package.json has no script ${name}`);
  }
  for (const path of [
    '.ci/run',
    'sync_cli.sh',
    'scripts/install-tools',
    'scripts/s3-sync',
    'scripts/container-entry',
  ]) {
    t.true((statSync(join(root, path)).mode & 0o100) !== 0, `${path} is executable`);
  }
});

test('make help lists every target that a user may call', (t) => {
  const help = execFileSync('make', ['--silent', 'help'], { cwd: root, encoding: 'utf8' });
  const targets =
    'setup up down clean initial-sync incremental-sync daemon status test-workflow logs logs-sync shell test demo help';
  for (const target of targets.split(' ')) t.regex(help, new RegExp(`make ${target} +\\S`));
});
