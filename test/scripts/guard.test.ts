import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { firstFailure } from '../../scripts/guard.ts';
import { freshFolder } from '../support/folder.ts';

const root = join(import.meta.dirname, '..', '..');

/** Judges a test file with this text, in a project of its own. */
const judge = async (text: string, { match, idleMs = 30_000 }: { match?: string; idleMs?: number } = {}) => {
  const folder = join(await freshFolder(), 'project');
  mkdirSync(folder);
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'a.test.js'), `import test from 'ava';\n${text}`);
  const file = 'a.test.js';
  const env = { PATH: process.env.PATH, FOLDER: folder };
  return { folder, failure: firstFailure({ folder, file, ...(match === undefined ? {} : { match }), env, idleMs }) };
};

const two = "test('one', (t) => t.pass());\ntest('two', (t) => t.fail());\n";

test('the first test that fails is named, of those that are asked for', async (t) => {
  t.is(await (await judge(two)).failure, 'two');
  t.is(await (await judge(two, { match: 't*' })).failure, 'two');
  t.is(await (await judge(two, { match: 'o*' })).failure, undefined);
});

test('a hook that fails is named, too', async (t) => {
  t.regex((await (await judge(`test.before('prepare', (t) => t.fail());\n${two}`)).failure) ?? '', /^prepare/);
});

test('what does not load, or has no such test, counts for nothing', async (t) => {
  for (const text of ["throw new Error('not loaded');", "import './none.js';", 'setInterval(() => {}, 1_000);'])
    await t.throwsAsync((await judge(text, { idleMs: 2_000 })).failure, { message: 'no test ended' }, text);
  await t.throwsAsync((await judge(two, { match: 'three' })).failure, { message: 'no test ended' });
});

const lasting = (title: string, ms: number, first = '') =>
  `test('${title}', async (t) => (${first} await new Promise((done) => setTimeout(done, ${ms})), t.pass()));\n`;

test('a test that hangs has failed when nothing was heard for long enough, unless it asked for longer', async (t) => {
  const idleMs = 5_000;
  const hanging = await judge(lasting('hanging', 60_000), { idleMs });
  const slow = await judge(lasting('slow', 7_000, 't.timeout(30_000),'), { idleMs });
  t.deepEqual(await Promise.all([hanging.failure, slow.failure]), ['hanging', undefined]);
});

test('nothing is left of what a test that failed had started', async (t) => {
  const { folder, failure } = await judge(`import { spawn } from 'node:child_process';
    import { writeFileSync } from 'node:fs';
    test('starts', (t) => {
      writeFileSync(process.env.FOLDER + '/pid', String(spawn('sleep', ['60']).pid));
      t.fail();
    });`);
  t.is(await failure, 'starts');
  const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'));
  const state = existsSync(`/proc/${pid}/stat`)
    ? readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0]
    : 'gone';
  t.true(state === 'gone' || state === 'Z' || state === 'X', state);
});
