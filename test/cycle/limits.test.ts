import test from 'ava';
import { ConfigError, RetryableError } from '../../src/errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import { createWorld } from '../support/world.ts';

test("a cycle's limits on speed, attempts and failures reach the executor", async (t) => {
  const world = await createWorld();
  for (let at = 0; at < 12; at++) await world.put(`f${at}`, `content ${at}`);
  await t.throwsAsync(world.cycle({ pace: { requestsPerSecond: 0 } }), { instanceOf: ConfigError });
  let attempts = 0;
  const down: FileManager = {
    ...world.client,
    saveToDisk: () => {
      attempts += 1;
      return Promise.reject(new RetryableError('answered 503'));
    },
  };
  const budget = await world.cycle({ fileManager: down, concurrency: 1, retry: { attemptsMax: 1 }, failuresMax: 5 });
  t.is(attempts, 5);
  t.regex(budget.report.stopped ?? '', /5 operations failed, more than succeeded/);
  attempts = 0;
  const { report } = await world.cycle({
    fileManager: down,
    concurrency: 1,
    retry: { attemptsMax: 1 },
    breaker: { failuresMax: 2, openMs: 1, openMsMax: 1, probesMax: 1 },
  });
  t.is(attempts, 3, 'two failures open the breaker, one probe fails, and the cycle ends');
  t.regex(report.stopped ?? '', /failed again and again/);
  t.is((await world.cycle()).report.status, 'done');
  t.deepEqual(await world.differences(), []);
  await world.close();
});
