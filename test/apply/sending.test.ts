import test from 'ava';
import { applyPlan } from '../../src/apply/apply.ts';
import { RetryableError } from '../../src/errors.ts';
import { KeyUsedError } from '../../src/file-manager/client-errors.ts';
import type { CallOptions } from '../../src/file-manager/file-manager.ts';
import type { Step } from '../../src/plan/operation.ts';
import { anyBucket, collected, planOf, scriptedFileManager, stepOf, testClock } from './support.ts';

type Answer = (options: CallOptions) => void;

const fails: Answer = () => {
  throw new RetryableError('no answer came');
};
const refuses: Answer = () => {
  throw new KeyUsedError('the key belongs to another request');
};
const remembers =
  (ageMs?: number): Answer =>
  ({ onRemembered }) =>
    onRemembered?.(ageMs);
const does: Answer = () => undefined;

/** Carries out one delete against these answers, and tells what was sent and noted, in order; `*` is a key of its own. */
const carryOut = async (answers: readonly Answer[], step: Step = stepOf('delete', 'a')) => {
  const happened: string[] = [];
  const named = (key: string): string => (key === step.operation.op_id ? 'id' : key.replace(step.operation.op_id, '*'));
  const left = [...answers];
  const result = await applyPlan(planOf(step), {
    fileManager: {
      ...scriptedFileManager(async () => undefined),
      delete: async (_, options) => {
        happened.push(named(options.idempotencyKey).replace(/:.*/, ''));
        left.shift()?.(options);
      },
    },
    bucket: anyBucket,
    concurrency: 1,
    clock: testClock(),
    ...collected(),
    onBegin: async ({ key, begunAt }) => void happened.push(`begin ${key} ${typeof begunAt}`),
    onRenewed: async ({ key = '' }) => void happened.push(`note ${named(key).replace(/:.*/, '')}`),
  });
  return { happened: happened.join(', '), state: Object.entries(result.states).find(([, count]) => count > 0)?.[0] };
};

const begun = 'begin undefined number';
const cases: readonly [string, readonly Answer[], string, string?][] = [
  ['an answer of the file manager itself counts', [does], `${begun}, id`],
  ['what the first request finds remembered is of another log', [remembers(), does], `${begun}, id, note *, *`],
  ['also where it is young', [remembers(0), does], `${begun}, id, note *, *`],
  ['what a repeat finds remembered is of the attempt before', [fails, remembers(), does], `${begun}, id, id`],
  ['where it is no older than that', [fails, remembers(1_000)], `${begun}, id, id`],
  ['and of another log where it is', [fails, remembers(60_000), does], `${begun}, id, id, note *, *`],
  ['a key that belongs to another request gives way', [refuses, does], `${begun}, id, note *, *`],
  ['at a repeat too', [fails, refuses, does], `${begun}, id, id, note *, *`],
  ['once', [refuses, refuses, does], `${begun}, id, note *, *`, 'failed'],
  ['the new key is repeated like any', [refuses, fails, remembers()], `${begun}, id, note *, *, *`],
];
for (const [title, answers, happened, state = 'done'] of cases)
  test(`keys: ${title}`, async (t) => t.deepEqual(await carryOut(answers), { happened, state }));

test('keys: what was under way before a crash finds its own effect remembered', async (t) => {
  const step: Step = { ...stepOf('delete', 'a'), begunAt: 0 };
  t.deepEqual(await carryOut([remembers()], step), { happened: `${begun}, id`, state: 'done' });
});

test('keys: what was under way under a key of its own goes on under it', async (t) => {
  const step = stepOf('delete', 'a');
  const { happened } = await carryOut([remembers(60_000)], { ...step, key: `${step.operation.op_id}:x`, begunAt: 0 });
  t.regex(happened, /^begin [0-9a-f]{32}:x number, \*$/);
});

test('keys: one that cannot be noted is never sent', async (t) => {
  const sent: string[] = [];
  const step = stepOf('delete', 'a');
  const applied = applyPlan(planOf(step), {
    fileManager: {
      ...scriptedFileManager(async () => undefined),
      delete: async (_, { idempotencyKey, onRemembered }) => {
        sent.push(idempotencyKey);
        onRemembered?.(undefined);
      },
    },
    bucket: anyBucket,
    concurrency: 1,
    clock: testClock(),
    ...collected(),
    onRenewed: () => Promise.reject(new Error('the disk is full')),
  });
  await t.throwsAsync(applied, { message: 'the disk is full' });
  t.deepEqual(sent, [step.operation.op_id]);
});
