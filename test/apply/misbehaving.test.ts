import { text } from 'node:stream/consumers';
import { applyPlan } from '../../src/apply/apply.ts';
import { serverTest } from '../support/servers.ts';
import { answer, worldOf } from './real.ts';
import { planOf, stepOf } from './support.ts';

const truth = (body: string, more: object): string => JSON.stringify({ ...JSON.parse(body), ...more });

serverTest(
  'fauxqs',
  'an error after the effect: the repeat has the same key, no second effect, and is confirmed',
  async (t, access) => {
    let times = 0;
    const world = await worldOf(t, access, async (_, response, forward) => {
      if (times++ > 0) return false;
      await forward();
      return answer(response, 500, '{"title":"lost my head"}');
    });
    await applyPlan(planOf(await world.put('a', 'one')), { ...world.options, fileManager: world.direct });
    world.options.outcomes.length = 0;
    const result = await applyPlan(planOf(stepOf('rename', 'a', { to: 'b' })), world.options);
    t.deepEqual([result.states.done, result.retries], [1, 1]);
    t.is(world.requests[0]?.key, world.requests[1]?.key);
    t.deepEqual(await world.files(), { b: 'one' });
    t.is(world.options.outcomes.length, 1);
  },
);

serverTest(
  'fauxqs',
  'a 200 with a lie is a failure of that operation, never an outcome, and others go on',
  async (t, access) => {
    const world = await worldOf(t, access, async (request, response, forward) => {
      if (!request.url?.endsWith('path=liar')) return false;
      const { body } = await forward();
      return answer(response, 200, truth(body, { md5: '0'.repeat(32) }));
    });
    const result = await applyPlan(
      planOf(await world.put('liar', 'one'), await world.put('honest', 'two')),
      world.options,
    );
    t.deepEqual([result.states.failed, result.states.done, result.stopped], [1, 1, undefined]);
    t.regex(result.failures[0]?.reason ?? '', /answered with a lie/);
    t.deepEqual(
      world.options.outcomes.map(({ path }) => path),
      ['honest'],
    );
  },
);

serverTest(
  'fauxqs',
  'a 409 is a failure with its reason, once, and what comes after it is skipped',
  async (t, access) => {
    const world = await worldOf(t, access, (request, response) =>
      request.url?.endsWith('path=taken')
        ? (request.resume(), answer(response, 409, '{"title":"Taken","detail":"a folder stands here"}'))
        : false,
    );
    const steps = [await world.put('taken', 'one'), stepOf('delete', 'x', { after: [0] }), await world.put('b', 'two')];
    const result = await applyPlan(planOf(...steps), world.options);
    t.deepEqual([result.states.failed, result.states.skipped, result.states.done, result.retries], [1, 1, 1, 0]);
    t.regex(result.failures[0]?.reason ?? '', /409: Taken: a folder stands here/);
  },
);

serverTest(
  'fauxqs',
  'a connection cut in the middle of the body: the object is read again, whole',
  async (t, access) => {
    let cuts = 0;
    const world = await worldOf(t, access, (request) => {
      if (!request.url?.startsWith('/saveToDisk') || cuts >= 2) return false;
      cuts += 1;
      request.once('data', () => request.socket.destroy());
      return true;
    });
    const content = 'some bytes '.repeat(200_000);
    const result = await applyPlan(planOf(await world.put('a', content)), world.options);
    t.deepEqual([result.states.done, result.retries], [1, 2]);
    t.is(result.bytes, content.length);
    t.is(await text(await world.direct.read('a')), content);
    t.is(new Set(world.requests.filter(({ endpoint }) => endpoint === '/saveToDisk').map(({ key }) => key)).size, 1);
  },
);

serverTest('fauxqs', 'an object that changes between two attempts is superseded, and not stored', async (t, access) => {
  const world = await worldOf(t, access, async (request, response) => {
    if (!request.url?.startsWith('/saveToDisk')) return false;
    request.resume();
    await world.writer.put('a', Buffer.from('changed'));
    return answer(response, 503, '{"title":"busy"}');
  });
  const result = await applyPlan(planOf(await world.put('a', 'first')), world.options);
  t.deepEqual([result.states.superseded, result.states.failed], [1, 0]);
  t.deepEqual(await world.files(), {});
});

serverTest(
  'fauxqs',
  'an answer that never ends is given up, and ends the cycle: this is no file manager',
  async (t, access) => {
    const world = await worldOf(
      t,
      access,
      (request, response) => {
        request.resume();
        response.writeHead(200, { 'content-type': 'application/json' });
        const more = (): void => {
          while (!response.destroyed && response.write('x'.repeat(10_000)));
          if (!response.destroyed) response.once('drain', more);
        };
        more();
        return true;
      },
      { answerBytesMax: 100_000 },
    );
    const result = await applyPlan(planOf(stepOf('delete', 'a'), stepOf('delete', 'b', { after: [0] })), world.options);
    t.regex(result.stopped ?? '', /more than 100000 bytes/);
    t.is(result.states.done, 0);
  },
);

serverTest(
  'fauxqs',
  'a silence after the request is a retryable failure, bounded by its timeout',
  async (t, access) => {
    let silences = 0;
    const world = await worldOf(t, access, (request) => (silences++ === 0 ? (request.resume(), true) : false), {
      responseTimeoutMs: 100,
    });
    const result = await applyPlan(planOf(stepOf('delete', 'a')), world.options);
    t.deepEqual([result.states.done, result.retries], [1, 1]);
  },
);

serverTest(
  'fauxqs',
  'a redirect is refused, and ends the cycle without asking the other address',
  async (t, access) => {
    const world = await worldOf(t, access, (request, response) =>
      request.url?.startsWith('/elsewhere') ? false : answer(response, 308, '', { location: '/elsewhere' }),
    );
    const result = await applyPlan(planOf(await world.put('a', 'one'), await world.put('b', 'two')), {
      ...world.options,
      concurrency: 1,
    });
    t.regex(result.stopped ?? '', /redirect, which is never followed/);
    t.deepEqual(result.states, { done: 0, superseded: 0, unreadable: 0, failed: 1, skipped: 0, 'not attempted': 1 });
    t.is(world.requests.length, 1);
  },
);

serverTest(
  'fauxqs',
  'a 401 in mid-cycle ends it at once; what was confirmed before stays confirmed',
  async (t, access) => {
    let answered = 0;
    const world = await worldOf(t, access, (_, response) => {
      answered += 1;
      return answered > 10 ? answer(response, 401, '{"title":"Unauthorized"}') : false;
    });
    const steps = Array.from({ length: 50 }, (_, at) => stepOf('delete', `p${at}`));
    const result = await applyPlan(planOf(...steps), { ...world.options, concurrency: 2 });
    t.regex(result.stopped ?? '', /FILE_MANAGER_TOKEN/);
    t.is(result.states.done, 10);
    t.true(result.states.failed <= 2);
    t.is(result.states['not attempted'], 40 - result.states.failed);
    t.is(world.options.outcomes.length, 10);
    t.true(world.requests.length <= 12);
  },
);

serverTest(
  'fauxqs',
  'answers that come out of order confirm each its own operation, and no other',
  async (t, access) => {
    const held: (() => void)[] = [];
    const world = await worldOf(t, access, async (request) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.push(resolve);
      // The fourth lets them go, the last one first.
      if (held.length === 4) for (const release of held.splice(0).reverse()) release();
      await promise;
      return request.url === '/never';
    });
    const firsts = await Promise.all(['a', 'b', 'c', 'd'].map((path) => world.put(path, `of ${path}`)));
    const result = await applyPlan(planOf(...firsts), world.options);
    t.is(result.states.done, 4);
    t.deepEqual(await world.files(), { a: 'of a', b: 'of b', c: 'of c', d: 'of d' });
    t.deepEqual(
      world.options.outcomes.map(({ id, path }) => [path, id]).sort(),
      firsts.map(({ operation }) => [operation.path, `outcome:${operation.op_id}`]),
    );
  },
);

serverTest(
  'fauxqs',
  'a busy file manager is waited for as long as it asks, and asked by fewer at once',
  async (t, access) => {
    let busy = 0;
    const world = await worldOf(t, access, (request, response) =>
      busy++ < 6 ? (request.resume(), answer(response, 429, '{"title":"slow down"}', { 'retry-after': '7' })) : false,
    );
    const steps = Array.from({ length: 12 }, (_, at) => stepOf('delete', `p${at}`));
    const result = await applyPlan(planOf(...steps), world.options);
    t.deepEqual([result.states.done, result.retries], [12, 6]);
    const { slept } = world.options.clock as unknown as { slept: number[] };
    t.deepEqual([...new Set(slept)], [7_000]);
  },
);

serverTest(
  'fauxqs',
  'a file manager that has forgotten its keys takes a repeat of every kind, and ends with the same files',
  async (t, access) => {
    let forgotten = 0;
    const world = await worldOf(t, access, (request) => {
      request.headers['idempotency-key'] += `-${forgotten}`;
      return false;
    });
    const before = planOf(await world.put('a', 'one'), await world.put('d/x', 'two'), await world.put('old', 'three'));
    await applyPlan(before, world.options);
    await world.writer.copy('a', 'b');
    const renamed = await world.put('b', 'one', { permissions: '0600' });
    const plan = planOf(
      stepOf('rename', 'a', { ...renamed.result, to: 'b' }),
      stepOf('update_permissions', 'd/x', { permissions: '0640' }),
      stepOf('delete', 'old'),
      await world.put('new', 'four', { permissions: '0644' }),
    );
    for (; forgotten < 3; forgotten++) {
      t.is((await applyPlan(plan, world.options)).states.done, 4);
      const files = await world.files();
      t.deepEqual(
        { ...files, b: files['b']?.replace(' (0600)', '') },
        { b: 'one', 'd/x': 'two (0640)', new: 'four (0644)' },
      );
    }
  },
);

serverTest(
  'fauxqs',
  'a rename to a name that the bucket does not hold stays refused when its source is gone',
  async (t, access) => {
    const world = await worldOf(t, access);
    const result = await applyPlan(planOf(stepOf('rename', 'gone', { to: 'tmp' })), world.options);
    t.deepEqual([result.states.failed, result.states.superseded], [1, 0]);
    t.regex(result.failures[0]?.reason ?? '', /404/);
  },
);
