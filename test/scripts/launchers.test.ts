import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';

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
