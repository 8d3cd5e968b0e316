import test from 'ava';
import { applyPlan } from '../../src/apply/apply.ts';
import { RetryableError, SupersededError } from '../../src/errors.ts';
import { NoSpaceError } from '../../src/file-manager/client-errors.ts';
import type { Step } from '../../src/plan/operation.ts';
import { anyBucket, collected, planOf, scriptedFileManager, stepOf, testClock } from './support.ts';

/** Options of a run against a file manager that refuses saves while `isFull`, and the requests in their order. */
const withDisk = (isFull: (requests: readonly string[]) => boolean) => {
  const requests: string[] = [];
  const fileManager = scriptedFileManager(async (kind, path) => {
    const full = kind === 'save' && isFull(requests);
    requests.push(`${kind} ${path}`);
    if (full) throw new NoSpaceError('answered 507');
  });
  return { requests, options: { fileManager, bucket: anyBucket, concurrency: 4, clock: testClock(), ...collected() } };
};

const saves = (count: number): Step[] => Array.from({ length: count }, (_, at) => stepOf('save', `new${at}`));
const deletes = (count: number): Step[] => Array.from({ length: count }, (_, at) => stepOf('delete', `old${at}`));

test('once a save finds no space, deletes go first, and what was refused comes again after them', async (t) => {
  const { options, requests } = withDisk((before) => before.filter((text) => text.startsWith('delete')).length < 3);
  const result = await applyPlan(planOf(...saves(200), ...deletes(3)), options);
  t.is(result.states.done, 203);
  t.is(result.stopped, undefined);
  const last = requests.findLastIndex((text) => text.startsWith('delete'));
  t.true(last < 10, `the last delete was request ${last}`);
});

test('a disk that stays full costs a few saves, and no delete: the other saves wait for the next cycle', async (t) => {
  const { options, requests } = withDisk(() => true);
  const result = await applyPlan(planOf(...saves(5_000), ...deletes(50)), options);
  t.is(result.done.delete, 50);
  t.true(requests.filter((text) => text.startsWith('save')).length < 60);
  t.is(result.states.failed + result.states['not attempted'], 5_000);
  t.true(result.states.failed >= 20 && result.failures.length === result.states.failed);
  t.regex(result.stopped ?? '', /no space left.*free some/);
  t.deepEqual(options.clock.slept, [], 'and no waiting');
});

test('large saves that find no space keep no small one from being tried', async (t) => {
  const { requests, options } = withDisk(() => false);
  // The bucket's objects hold their own keys.
  const save = (path: string): Step => stepOf('save', path, { size: path.length });
  const large = Array.from({ length: 25 }, (_, at) => save(`large${at}${'x'.repeat(100)}`));
  const small = Array.from({ length: 30 }, (_, at) => save(`small${at}`));
  const fileManager = {
    ...options.fileManager,
    saveToDisk: async (...[path, ...given]: Parameters<typeof options.fileManager.saveToDisk>) => {
      if (path.startsWith('large')) throw new NoSpaceError('answered 507');
      return options.fileManager.saveToDisk(path, ...given);
    },
  };
  const { states } = await applyPlan(planOf(...large, ...small), { ...options, fileManager });
  t.is(states.done, 30);
  t.is(requests.length, 30);
  t.is(states.failed + states['not attempted'], 25);
});

test('a save that got no answer before it found no space may have an effect yet', async (t) => {
  const over: string[] = [];
  const answers = [new RetryableError('no answer'), new NoSpaceError('answered 507'), new NoSpaceError('answered 507')];
  const { options } = withDisk(() => false);
  const saveToDisk = async (): Promise<void> => {
    throw answers.shift();
  };
  const onUncertain = ({ operation }: Step): void => void over.push(operation.path);
  const fileManager = { ...options.fileManager, saveToDisk };
  const { states } = await applyPlan(planOf(...saves(1)), { ...options, fileManager, onUncertain });
  t.deepEqual([states.failed, answers.length, over], [1, 0, []]);
});

test('a save that found no space stays uncertain when its object is gone at the second try', async (t) => {
  const ended: string[] = [];
  const { options } = withDisk(() => true);
  let reads = 0;
  const bucket = {
    ...anyBucket,
    get: async (...given: Parameters<typeof anyBucket.get>) => {
      reads += 1;
      if (reads > 1) throw new SupersededError('gone');
      return anyBucket.get(...given);
    },
  };
  const onEnded = ({ operation }: Step): void => void ended.push(operation.path);
  const result = await applyPlan(planOf(...saves(1)), { ...options, bucket, onEnded });
  t.deepEqual([result.states.superseded, ended], [1, []]);
});
