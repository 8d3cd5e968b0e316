import test from 'ava';
import { applyPlan } from '../../src/apply/apply.ts';
import { ConfigError, FatalError, RetryableError } from '../../src/errors.ts';
import { FailedAnswerError, LieError, RefusedError } from '../../src/file-manager/client-errors.ts';
import type { Step } from '../../src/plan/operation.ts';
import { randomOf } from '../support/seed.ts';
import { anyBucket, collected, planOf, scriptedFileManager, stepOf, testClock } from './support.ts';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Options of a run whose every operation goes to `act`; `most` is how many were ever under way at once. */
const watched = (
  act: (path: string, key: string, signal: AbortSignal | undefined) => Promise<void>,
  concurrency = 8,
) => {
  const seen = { underWay: 0, most: 0 };
  const clock = testClock();
  const fileManager = scriptedFileManager(async (_, path, key, signal) => {
    seen.underWay += 1;
    seen.most = Math.max(seen.most, seen.underWay);
    try {
      await act(path, key, signal);
    } finally {
      seen.underWay -= 1;
    }
  });
  return { seen, clock, options: { fileManager, bucket: anyBucket, concurrency, clock, ...collected() } };
};

test('steps start only after what they come after, whatever the order of the answers', async (t) => {
  const first = Number(process.env['SEED'] ?? 1);
  for (let seed = first; seed < first + 50; seed++) {
    const random = randomOf(seed);
    const steps = Array.from({ length: 60 }, (_, at) =>
      stepOf('delete', `p${at}`, {
        after: Array.from({ length: at }, (_, earlier) => earlier).filter(() => random() < 0.05),
      }),
    );
    const done = new Set<string>();
    const { options, seen } = watched(async (path) => {
      const step = steps[Number(path.slice(1))] as Step;
      for (const earlier of step.after) t.true(done.has(`p${earlier}`), `seed ${seed}: ${path} before p${earlier}`);
      for (let pause = Math.floor(random() * 6); pause > 0; pause--) await tick();
      done.add(path);
    });
    const result = await applyPlan(planOf(...steps), options);
    t.is(result.states.done, 60, `seed ${seed}`);
    t.is(options.outcomes.length, 60);
    t.true(seen.most > 1 && seen.most <= 8, `seed ${seed}: ${seen.most} at once`);
  }
});

test('what comes after a step that was not done is skipped, however far, and the rest goes on', async (t) => {
  const { options } = watched(async (path) => {
    if (path === 'bad') throw new FatalError('refused');
  });
  const steps = [
    stepOf('delete', 'bad'),
    stepOf('save', 'gone'),
    stepOf('delete', 'fine'),
    stepOf('delete', 'after bad', { after: [0, 2] }),
    stepOf('delete', 'after gone', { after: [1] }),
    stepOf('delete', 'after those', { after: [3, 4] }),
    stepOf('delete', 'after fine', { after: [2] }),
  ];
  const result = await applyPlan(planOf(...steps), options);
  t.deepEqual(result.states, { done: 2, superseded: 1, unreadable: 0, failed: 1, skipped: 3, 'not attempted': 0 });
  t.deepEqual(
    options.outcomes.map(({ path }) => path),
    ['fine', 'after fine'],
  );
  t.deepEqual(
    result.failures.map(({ path, state, reason }) => [path, state, reason]),
    [['bad', 'failed', 'refused']],
    'a superseded step is no failure',
  );
});

test('a chain as long as the plan is skipped without running out of stack', async (t) => {
  const { options } = watched(async () => {
    throw new FatalError('refused');
  });
  const steps = Array.from({ length: 50_000 }, (_, at) =>
    stepOf('delete', `p${at}`, { after: at === 0 ? [] : [at - 1] }),
  );
  const result = await applyPlan(planOf(...steps), options);
  t.deepEqual([result.states.failed, result.states.skipped], [1, 49_999]);
});

test('steps that wait for each other are a damaged plan', async (t) => {
  const { options } = watched(async () => undefined);
  const plan = planOf(stepOf('delete', 'a', { after: [1] }), stepOf('delete', 'b', { after: [0] }));
  await t.throwsAsync(applyPlan(plan, options), {
    instanceOf: FatalError,
    message: /2 operations wait for each other/,
  });
});

test('each attempt of an operation carries the same key', async (t) => {
  const keys = new Map<string, Set<string>>();
  let calls = 0;
  const { options } = watched(async (path, key) => {
    keys.set(path, (keys.get(path) ?? new Set()).add(key));
    calls += 1;
    if (calls % 3 !== 0) throw new RetryableError('once more');
  }, 1);
  const plan = planOf(stepOf('save', 'a'), stepOf('rename', 'b', { to: 'c' }), stepOf('delete', 'd'));
  const result = await applyPlan(plan, options);
  t.deepEqual([result.states.done, result.retries, calls], [3, 6, 9]);
  t.deepEqual(
    [...keys].map(([, used]) => [...used]),
    plan.steps.map(({ operation }) => [operation.op_id]),
  );
});

test('an error that every operation would meet ends the cycle at once', async (t) => {
  for (const error of [Object.assign(new FatalError('401'), { stop: true }), new ConfigError('wrong credentials')]) {
    let calls = 0;
    const { options } = watched(async () => {
      calls += 1;
      if (calls === 5) throw error;
      await tick();
    }, 2);
    const steps = Array.from({ length: 100 }, (_, at) => stepOf('delete', `p${at}`));
    const result = await applyPlan(planOf(...steps), options);
    t.is(result.stopped, error.message);
    t.true(calls <= 7, String(calls));
    t.is(result.states.failed, 1);
    t.is(result.states.done + result.states['not attempted'], 99);
  }
});

test('a file manager that is down is asked a few dozen times, not for every file', async (t) => {
  let calls = 0;
  const { options } = watched(async () => {
    calls += 1;
    throw new RetryableError('the connection was refused');
  });
  const steps = Array.from({ length: 1_000 }, (_, at) => stepOf('delete', `p${at}`));
  const result = await applyPlan(planOf(...steps), options);
  t.regex(result.stopped ?? '', /again and again, last: the connection was refused/);
  t.true(calls < 40, String(calls));
  t.true(result.states['not attempted'] > 980);
  t.is(options.outcomes.length, 0);
});

test('a file manager that comes back is found by a probe, and the cycle goes on', async (t) => {
  let calls = 0;
  const { options } = watched(async () => {
    calls += 1;
    if (calls <= 21) throw new RetryableError('restarting');
  });
  const steps = Array.from({ length: 100 }, (_, at) => stepOf('delete', `p${at}`));
  const result = await applyPlan(planOf(...steps), options);
  t.is(result.stopped, undefined);
  t.true(result.states.done >= 95, JSON.stringify(result.states));
});

test('failures that outnumber successes use up the budget of the cycle; fewer do not', async (t) => {
  const run = (share: number) => {
    let calls = 0;
    const { options } = watched(async () => {
      calls += 1;
      if (calls % share === 0) throw new FatalError('refused');
    });
    const steps = Array.from({ length: 300 }, (_, at) => stepOf('delete', `p${at}`));
    return applyPlan(planOf(...steps), { ...options, failuresMax: 20 });
  };
  const hopeless = await run(1);
  t.regex(hopeless.stopped ?? '', /20 operations failed, more than succeeded/);
  t.true(hopeless.states.failed < 30);
  const some = await run(3);
  t.is(some.stopped, undefined);
  t.deepEqual([some.states.failed, some.states.done], [100, 200]);
  t.is(some.failures.length, 100);
});

test('a stop lets what is under way finish, within its grace, and starts nothing more', async (t) => {
  const stop = new AbortController();
  const { options, clock } = watched(async (path, _, signal) => {
    if (path === 'p1') stop.abort();
    if (path !== 'p2') return tick();
    await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  });
  const steps = Array.from({ length: 20 }, (_, at) => stepOf('delete', `p${at}`));
  const result = await applyPlan(planOf(...steps), { ...options, signal: stop.signal, graceMs: 3_000 });
  t.is(result.stopped, 'stopped by a signal');
  t.true(clock.slept.includes(3_000));
  t.true(result.states.done >= 2 && result.states.done <= 4, JSON.stringify(result.states));
  t.is(result.states.done + result.states['not attempted'], 20);
  t.is(options.outcomes.length, result.states.done);
});

test('outcomes are committed one batch at a time, in the order of confirmation', async (t) => {
  const confirmed: string[] = [];
  const committed: string[] = [];
  let committing = 0;
  let batches = 0;
  const { options } = watched(async (path) => {
    await tick();
    confirmed.push(path);
  });
  const steps = Array.from({ length: 200 }, (_, at) => stepOf('delete', `p${at}`));
  await applyPlan(planOf(...steps), {
    ...options,
    onOutcomes: async (batch) => {
      t.is(++committing, 1);
      batches += 1;
      await tick();
      await tick();
      committed.push(...batch.map(({ path }) => path));
      committing -= 1;
    },
  });
  t.deepEqual(committed, confirmed);
  t.true(batches < 150, 'they come in batches');
});

test('a step begins only once the outcomes of what it comes after are durable', async (t) => {
  const durable = new Set<string>();
  const { options, seen } = watched(tick);
  const steps = Array.from({ length: 60 }, (_, at) =>
    stepOf('delete', `p${at}`, { after: at % 3 === 0 ? [] : [at - 1] }),
  );
  await applyPlan(planOf(...steps), {
    ...options,
    onBegin: async ({ operation, after }) => {
      for (const earlier of after) t.true(durable.has(`p${earlier}`), `${operation.path} before p${earlier}`);
    },
    onOutcomes: async (batch) => {
      for (let pause = 0; pause < 5; pause++) await tick();
      for (const { path } of batch) durable.add(path);
    },
  });
  t.is(durable.size, 60);
  t.true(seen.most > 1, 'others go on meanwhile');
});

test('when the outcome of a step cannot be committed, what comes after it never begins', async (t) => {
  const begun: string[] = [];
  const { options } = watched(tick);
  const plan = planOf(stepOf('move', 'a', { to: 'b' }), stepOf('save', 'a', { after: [0] }));
  await t.throwsAsync(
    applyPlan(plan, {
      ...options,
      onBegin: async ({ operation }) => void begun.push(operation.kind),
      onOutcomes: async () => {
        await tick();
        throw new FatalError('the disk is full');
      },
    }),
    { message: 'the disk is full' },
  );
  t.deepEqual(begun, ['move']);
});

test('slow commits hold the operations back', async (t) => {
  let confirmed = 0;
  let committed = 0;
  let most = 0;
  const { options } = watched(async () => {
    confirmed += 1;
    most = Math.max(most, confirmed - committed);
  });
  const steps = Array.from({ length: 3_000 }, (_, at) => stepOf('delete', `p${at}`));
  await applyPlan(planOf(...steps), {
    ...options,
    onOutcomes: async (batch) => {
      for (let pause = 0; pause < 300; pause++) await tick();
      committed += batch.length;
    },
  });
  t.is(committed, 3_000);
  t.true(most < 700, String(most));
});

test('when outcomes cannot be committed, nothing more is started, and the reason is thrown', async (t) => {
  let calls = 0;
  const { options } = watched(async () => {
    calls += 1;
    await tick();
  });
  const steps = Array.from({ length: 1_000 }, (_, at) => stepOf('delete', `p${at}`));
  const full = async (): Promise<void> => {
    throw new FatalError('the disk is full');
  };
  await t.throwsAsync(applyPlan(planOf(...steps), { ...options, onOutcomes: full }), { message: 'the disk is full' });
  t.true(calls < 50, String(calls));
});

test('a superseded save leaves the breaker and the budget alone', async (t) => {
  const { options } = watched(async () => undefined);
  const steps = Array.from({ length: 100 }, (_, at) => stepOf('save', `gone ${at}`));
  const result = await applyPlan(planOf(...steps), { ...options, failuresMax: 5 });
  t.is(result.states.superseded, 100);
  t.is(result.stopped, undefined);
  t.deepEqual(result.failures, []);
});

test('a step is uncertain once it failed and every attempt was answered; where one was not, it stays under way', async (t) => {
  const ends: Record<string, readonly Error[]> = {
    refused: [new RefusedError(409, 'taken')],
    lied: [new LieError('a lie')],
    'failed, refused': [new FailedAnswerError('500'), new RefusedError(409, 'taken')],
    'silent, failed': [new RetryableError('no answer'), new FailedAnswerError('500')],
    silent: [new RetryableError('no answer'), new RetryableError('no answer')],
  };
  const attempts = new Map<string, number>();
  const { options } = watched(async (path) => {
    const at = attempts.get(path) ?? 0;
    attempts.set(path, at + 1);
    throw ends[path]?.[at] ?? new Error('one attempt too many');
  });
  const ended: string[] = [];
  const uncertain: string[] = [];
  await applyPlan(planOf(...Object.keys(ends).map((path) => stepOf('delete', path))), {
    ...options,
    retry: { attemptsMax: 2 },
    onEnded: ({ operation }) => ended.push(operation.path),
    onUncertain: ({ operation }) => uncertain.push(operation.path),
  });
  t.deepEqual(ended, ['refused']);
  t.deepEqual(uncertain.sort(), ['failed, refused', 'lied']);
});

test('what was begun in an earlier cycle stays begun where a stop comes before it is asked about', async (t) => {
  const stop = new AbortController();
  const { options } = watched(async () => {
    setImmediate(() => stop.abort());
    throw new RetryableError('no answer');
  }, 1);
  const told: string[] = [];
  const steps = ['a', 'b'].map((path) => ({ ...stepOf('delete', path), begunAt: 1 }));
  const result = await applyPlan(planOf(...steps), {
    ...options,
    signal: stop.signal,
    retry: { attemptsMax: 1 },
    breaker: { failuresMax: 1 },
    onEnded: ({ operation }) => told.push(operation.path),
    onUncertain: ({ operation }) => told.push(operation.path),
  });
  t.is(result.states['not attempted'], 1);
  t.deepEqual(told, []);
});
