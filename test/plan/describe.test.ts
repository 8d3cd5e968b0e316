import test from 'ava';
import { describePlan } from '../../src/plan/describe.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { changesBetween } from './model.ts';
import { facts, row } from './tables.ts';

test('a plan is told in lines of 80 columns: counts, then each operation with its reason', (t) => {
  const have = [row('a', 1), row('b', 2), row('old', 3), row('p', 4)];
  const want = [row('b', 1, 'e1', 11), row('a', 2, 'e2', 12), row('new/report', 5), row('p', 4, 'e4', 13, '0600')];
  const text = describePlan(planChanges(changesBetween(have, want), facts(have, [])), []);
  t.is(
    text.replace(/[0-9a-f]{16}/g, 'HASH'),
    `Plan HASH: 6 operations
  1 save, 1 delete, 3 renames, 1 permission change; 1 byte to carry over
   0  rename             a -> .s3-sync-tmp-HASH
      "b" is not free before this one has left its place: it steps aside first
   1  rename             b -> a
      the same file has another path in the bucket (after 0)
   2  rename             .s3-sync-tmp-HASH -> b
      the same file has another path in the bucket (after 0, 1)
   3  save               new/report
      the bucket holds it, the file manager does not
   4  update_permissions p
      the bucket says 0600, the file manager has 0644
   5  delete             old
      the bucket does not hold it any more
`,
  );
});

test('no line is longer than 80 columns, whatever the paths, and control characters are harmless', (t) => {
  const long = `${'deep/'.repeat(150)}file \u001b[31m\u009b31m\u202e\r\n"quoted"`;
  const have = [row('a', 1)];
  const want = [row(long, 1, 'e1', 9), row('x'.repeat(500), 2), row(`${'x'.repeat(500)}/y`, 3)];
  const text = describePlan(planChanges(changesBetween(have, want), facts(have, [])), [
    `held ${'because '.repeat(30)}`,
  ]);
  for (const line of text.split('\n')) t.true([...line].length <= 80, line);
  t.notRegex(text, /[\u001b\r\u009b\u202e]/);
  t.regex(text, /HELD: held because/);
  t.regex(text, /s3-sync apply [0-9a-f]{16}\n$/);
});

test('a long plan is abbreviated, and an empty one says so', (t) => {
  const many = Array.from({ length: 60 }, (_, at) => row(`f${String(at).padStart(2, '0')}`, at + 1));
  const text = describePlan(planChanges(changesBetween([], many), facts([], [])), []);
  t.regex(text, /60 operations\n {2}60 saves; 60 bytes/);
  t.regex(text, /… and 10 more\n$/);
  t.is(describePlan(planChanges([]), []), 'Nothing to do: nothing differs from what the file manager has confirmed.\n');
});

test('a plan never claims that both sides are equal while objects wait for another try', (t) => {
  const empty = describePlan(planChanges([]), [], { waiting: 1 });
  t.is(
    empty,
    "Nothing to do now. 1 object could not be carried over and will be tried again later:\n's3-sync status' names the next.\n",
  );
});

test('a plan never claims that both sides are equal, or that the bucket lacks what it holds, where something is withheld or in the way', (t) => {
  const withheld = describePlan(planChanges([]), [], { withheld: 11 });
  t.is(withheld, 'Nothing to do but what waits for a person:\n');
  const beside = describePlan(planChanges(changesBetween([row('x', 1)], [row('x', 1, 'new', 5), row('x/y', 2)])), []);
  t.regex(beside, /delete {13}x\n {6}it gives way: a disk cannot hold the file "x" beside "x\/y"/);
  t.notRegex(beside, /does not hold it any more/);
});
