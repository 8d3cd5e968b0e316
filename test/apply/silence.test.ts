import test from 'ava';
import { applyPlan } from '../../src/apply/apply.ts';
import { createSchedule } from '../../src/apply/schedule.ts';
import { createSilence } from '../../src/apply/silence.ts';
import { RetryableError } from '../../src/errors.ts';
import { RefusedError } from '../../src/file-manager/client-errors.ts';
import type { Step } from '../../src/plan/operation.ts';
import { anyBucket, collected, planOf, scriptedFileManager, stepOf, testClock } from './support.ts';

const deletes = (folder: string, count: number): Step[] =>
  Array.from({ length: count }, (_, at) => stepOf('delete', `${folder}${at}`));

/** Options of a run in which the file manager says nothing about these paths; `asked` are the paths of all attempts. */
const silentAbout = (isSilent: (path: string) => boolean) => {
  const asked: string[] = [];
  const clock = testClock();
  const fileManager = scriptedFileManager(async (_, path) => {
    asked.push(path);
    if (!isSilent(path)) return;
    clock.at += 60_000;
    throw new RetryableError('no answer');
  });
  const retry = { attemptsMax: 2, baseMs: 1 };
  return {
    asked,
    options: { fileManager, bucket: anyBucket, concurrency: 2, retry, clock, ...collected() },
  };
};

test('in a folder about which nothing is said a few are asked, and once all others have ended a few more, once', async (t) => {
  const { asked, options } = silentAbout((path) => path.startsWith('big/'));
  const result = await applyPlan(planOf(...deletes('big/', 1_000), ...deletes('fine/', 200)), options);
  t.deepEqual([result.states.done, result.states.failed, result.states['not attempted']], [200, 6, 994]);
  t.is(
    result.stopped,
    'the file manager says nothing about paths in big/: what else is due there waits for the next cycle',
  );
  t.deepEqual(asked.slice(-3), ['big/3', 'big/4', 'big/5'], 'once each, and last');
  t.is(asked.length, 3 * 2 + 200 + 3);
});

test('where nothing was said before, all others go first, and one that is carried out is enough to go on', async (t) => {
  const { asked, options } = silentAbout(() => false);
  const silentAt = ['big/x', 'big/y', 'big/z'];
  const result = await applyPlan(planOf(...deletes('big/', 50), ...deletes('fine/', 5)), { ...options, silentAt });
  t.is(result.states.done, 55);
  t.deepEqual(
    asked.slice(0, 5).sort(),
    [0, 1, 2, 3, 4].map((at) => `fine/${at}`),
  );
  t.is(result.stopped, undefined);
});

test('two paths without an answer are too few to doubt their folder, and so are those without one at the top', async (t) => {
  const { asked, options } = silentAbout(() => false);
  const silentAt = ['big/x', 'big/y', 'p', 'q', 'r'];
  await applyPlan(planOf(...deletes('big/', 5), stepOf('delete', 's')), { ...options, silentAt });
  t.is(asked[0], 'big/0');
});

test('what lies beside a silent folder goes on, although it is in a folder with it', async (t) => {
  const { options } = silentAbout((path) => path.startsWith('all/big/'));
  const steps = [...deletes('all/big/', 100), ...deletes('all/fine/', 100)];
  const result = await applyPlan(planOf(...steps), options);
  t.is(result.states.done, 100);
  t.regex(result.stopped ?? '', /in all\/big\/:/);
});

test('files that get no answer for themselves keep no other in their folder waiting', async (t) => {
  const silentAt = ['all/x', 'all/y', 'all/z'];
  const { asked, options } = silentAbout((path) => path === 'all/7');
  const result = await applyPlan(planOf(...deletes('all/', 100)), { ...options, silentAt });
  t.deepEqual([result.states.done, result.states.failed], [99, 1]);
  t.is(asked.filter((path) => path === 'all/7').length, 2, 'as often as any other');
});

test('what is refused says nothing about the folder: the next one is tried', async (t) => {
  const { asked, options } = silentAbout(() => false);
  const fileManager = scriptedFileManager(async (_, path) => {
    asked.push(path);
    if (path !== 'big/20') throw new RefusedError(409, 'taken');
  });
  const silentAt = ['big/x', 'big/y', 'big/z'];
  const result = await applyPlan(planOf(...deletes('big/', 30)), { ...options, fileManager, silentAt });
  t.deepEqual([result.states.done, result.states.failed], [1, 29]);
});

test('what comes after a step that waits is not attempted either, nor is a rename out of the folder', async (t) => {
  const { asked, options } = silentAbout((path) => path.startsWith('big/'));
  const silentAt = ['big/x', 'big/y', 'big/z'];
  const steps = [
    stepOf('rename', 'big/a', { to: 'fine/a' }),
    stepOf('delete', 'fine/b', { after: [0] }),
    ...deletes('big/', 2),
    stepOf('rename', 'fine/c', { to: 'big/c' }),
    stepOf('save', 'fine/c', { after: [4] }),
    stepOf('delete', 'fine/d'),
  ];
  const result = await applyPlan(planOf(...steps), { ...options, silentAt });
  t.deepEqual(asked, ['fine/d', 'big/a', 'big/0', 'big/1']);
  t.deepEqual([result.states.done, result.states.failed, result.states.skipped], [1, 3, 1]);
  t.is(result.states['not attempted'], 2);
});

test('what waits in a silent folder is given up in a moment, however much it is', (t) => {
  const steps = Array.from({ length: 200_000 }, (_, at) => stepOf('delete', `big/${at}`));
  const silence = createSilence(
    steps,
    createSchedule(
      steps,
      () => undefined,
      () => 0,
    ),
    ['big/x', 'big/y', 'big/z'],
  );
  const begun = performance.now();
  let given = 0;
  for (let index = silence.next(); index !== undefined; index = silence.next()) {
    given += index === given ? 1 : steps.length;
    silence.ended(index, 'other');
  }
  t.is(given, steps.length);
  t.true(performance.now() - begun < 3_000);
});
