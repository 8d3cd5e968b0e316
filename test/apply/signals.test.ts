import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { systemClock, withTimeout } from '../../src/apply/clock.ts';
import { guardedSmall } from '../../src/bucket/client.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes in use once all is collected that can be. */
const inUse = async (): Promise<number> => {
  for (let times = 0; times < 5; times++) {
    collect();
    await sleep(10);
  }
  return process.memoryUsage().heapUsed;
};

const [calls, bytesEachMax] = [50_000, 30];
const connection = { region: 'us-east-1', bucket: 'customer' };
const listen = async (signal: AbortSignal): Promise<void> => {
  const onAbort = (): void => undefined;
  signal.addEventListener('abort', onAbort);
  await Promise.resolve();
  signal.removeEventListener('abort', onAbort);
};

for (const [title, call] of [
  [
    'questions to the bucket',
    (signal) =>
      guardedSmall({ what: 'ask', of: 'object', bucket: 'customer' }, connection, signal, ({ abortSignal }) =>
        listen(abortSignal),
      ),
  ],
  ['attempts', (signal) => withTimeout(60_000, () => new Error('late'), systemClock, signal, listen)],
] as const satisfies readonly (readonly [string, (signal: AbortSignal) => Promise<void>])[])
  test.serial(`${title} leave nothing behind in a signal that lives on`, async (t) => {
    const { signal } = new AbortController();
    await call(signal);
    const before = await inUse();
    for (let at = 0; at < calls; at++) {
      await call(signal);
      // What is collected is cleared up between two turns of the loop.
      if (at % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const left = ((await inUse()) - before) / calls;
    t.true(left < bytesEachMax, `${left.toFixed(1)} bytes each`);
  });

test('what follows a signal is aborted with it, for its reason', async (t) => {
  const never = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  const reason = new Error('stopped');
  for (const isBefore of [true, false]) {
    const outer = new AbortController();
    if (isBefore) outer.abort(reason);
    const attempt = withTimeout(60_000, () => new Error('late'), systemClock, outer.signal, never);
    const question = guardedSmall(
      { what: 'ask', of: 'object', bucket: 'customer' },
      connection,
      outer.signal,
      ({ abortSignal }) => never(abortSignal),
    );
    if (!isBefore) setImmediate(() => outer.abort(reason));
    t.is(await attempt.catch((error: unknown) => error), reason);
    t.regex(String(await question.catch((error: unknown) => error)), /stopped/);
  }
});
