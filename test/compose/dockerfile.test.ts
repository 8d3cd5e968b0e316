import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readStack, readText, root, serviceOf } from './stack.ts';

const lines = readText('Dockerfile')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));
const packageJson = JSON.parse(readText('package.json')) as {
  scripts: Record<string, string>;
  devDependencies: Record<string, string>;
};

test('the image is built in two stages on the pinned Node', (t) => {
  const stages = lines.filter((line) => line.startsWith('FROM '));
  const node = `node:${packageJson.devDependencies['node']}-bookworm-slim`;
  t.deepEqual(stages, [`FROM ${node} AS build`, `FROM ${node} AS runtime`]);
  t.true(lines.some((line) => line.includes('npm run build')) && 'build' in packageJson.scripts);
});

test('every file that the image copies is in the repository and not ignored', (t) => {
  const allowed = readText('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  const copied = lines
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .flatMap((line) => line.split(/\s+/).slice(1, -1));
  t.true(copied.length > 5);
  for (const path of copied) {
    t.true(existsSync(join(root, path)), path);
    t.true(allowed.includes(path.split('/')[0] as string), `${path} is in .dockerignore`);
  }
});

test('the image holds what the demo puts into its bucket, and a folder that it may write', (t) => {
  const runtime = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));
  t.true(runtime.includes('COPY fixtures/bucket ./fixtures/bucket'));
  t.true(
    runtime.includes('WORKDIR /app') &&
      runtime.some((line) => /mkdir .*\.demo && chown node:node .*\.demo$/.test(line)),
  );
});

test('the container runs as an ordinary user and checks its own health', (t) => {
  const runtime = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));
  t.true(runtime.includes('USER node'));
  t.true(runtime.some((line) => line.startsWith('HEALTHCHECK ') && line.includes('s3-sync')));
  const script = runtime.find((line) => line.startsWith('ENTRYPOINT '))?.match(/\/app\/([^"]+)/)?.[1];
  t.is(
    execFileSync('git', ['ls-files', '-s', script as string], { cwd: root, encoding: 'utf8' }).slice(0, 6),
    '100755',
  );
});

test('live reload watches the source, which the stack mounts', (t) => {
  t.regex(readText('scripts/container-entry'), /LIVE_RELOAD.*exec node \S+ --watch \/app\/src\/cli\.ts "\$@"/);
  for (const name of ['sync-service', 'mock-api']) {
    t.true(serviceOf(readStack(), name).volumes?.includes('./src:/app/src:ro'), name);
  }
});
