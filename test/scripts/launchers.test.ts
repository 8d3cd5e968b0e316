import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { loadConfig } from '../../src/config/config.ts';
import { freshFolder } from '../support/folder.ts';

const root = join(import.meta.dirname, '..', '..');
const setting = '--max-semi-space-size=16';

test('every way to start the service gives the runtime the same bound for its young generation', (t) => {
  const startsIn: Readonly<Record<string, RegExp>> = {
    'src/cli.ts': /^#!.*\bnode\b.*/,
    'package.json': /"node .*cli\.ts.*"/g,
    Makefile: /node .*cli\.ts.*/g,
    'sync_cli.sh': /\bnode .*cli\.ts.*/g,
    'sync_cli.ps1': /^.*cli\.ts.*/gm,
    'scripts/s3-sync': /exec node .*/g,
    'scripts/container-entry': /exec node .*/g,
  };
  for (const [file, starts] of Object.entries(startsIn)) {
    const found = readFileSync(join(root, file), 'utf8').match(starts);
    t.truthy(found, `${file} starts nothing`);
    for (const line of found ?? []) t.true(line.includes(setting), `${file}: ${line}`);
  }
});

test('the container takes every value of LIVE_RELOAD as the configuration does', async (t) => {
  const folder = await freshFolder();
  for (const name of ['node', 's3-sync']) {
    writeFileSync(join(folder, name), `#!/bin/sh\necho ${name} "$@"\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const started = (script: string, LIVE_RELOAD: string): string =>
    execFileSync(join(root, 'scripts', script), ['status'], {
      env: { PATH: `${folder}:/usr/bin:/bin`, LIVE_RELOAD },
      encoding: 'utf8',
    });
  for (const value of ['true', 'TRUE', 'Yes', '1', 'false', 'No', '0', '']) {
    const source = loadConfig({ LIVE_RELOAD: value }).flag('LIVE_RELOAD');
    t.is(/--watch \/app\/src\/cli\.ts status/.test(started('container-entry', value)), source, `"${value}"`);
    t.is(/\/app\/src\/cli\.ts status/.test(started('s3-sync', value)), source, `"${value}"`);
  }
});
