import { Readable } from 'node:stream';
import type { Bucket } from '../../src/bucket/bucket.ts';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import type { World } from '../support/world.ts';
import { worldTest } from '../support/world-test.ts';

const withWorld = worldTest({ timeoutMs: 90_000 });

/** Ends with its signal alone. */
const silence = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true }));

/** The bucket, but for the object `bad`, which it begins to give, at the most, and never goes on. */
const silentAbout = (world: World, begins: (bytes: Buffer) => Buffer | undefined): Bucket => ({
  ...world.bucket,
  get: async (key, options) => {
    if (key !== 'bad') return world.bucket.get(key, options);
    const first = begins(Buffer.from('content of bad'));
    if (!first) return silence(options?.signal);
    const found = await world.bucket.get(key, options);
    found.body.destroy();
    async function* bytes(): AsyncGenerator<Buffer> {
      if (first?.length) yield first;
      await silence(options?.signal);
    }
    return { ...found, body: Readable.from(bytes(), { objectMode: false }) };
  },
});

const kinds = {
  'no answer': () => undefined,
  'no first byte': () => Buffer.alloc(0),
  'no last byte': (bytes: Buffer) => bytes.subarray(0, -1),
};

for (const [kind, begins] of Object.entries(kinds))
  withWorld(`an object of which the bucket gives ${kind}, for ever, keeps nothing else waiting`, async (t, world) => {
    const bucket = silentAbout(world, begins);
    const limits = { connectTimeoutMs: 200, stallTimeoutMs: 200 };
    const fileManager = createFileManagerClient({ baseUrl: world.server.url, ...limits });
    await world.put('bad', 'content of bad');
    const reasons: string[] = [];
    for (let at = 0; at < 3; at += 1) {
      await world.put(`good${at}`, 'content');
      const { report } = await world.cycle({
        bucket,
        fileManager,
        retry: { attemptsMax: 2, baseMs: 0, attemptMsMax: 500 },
      });
      t.deepEqual([report.status, report.states.failed, report.states.done], ['partial', 1, 1]);
      reasons.push(report.failures[0]?.reason ?? '');
    }
    for (const reason of reasons) t.regex(reason, /while the bucket was to give "bad"|^the bucket was waited for/);
    t.deepEqual(await world.workspace().log.database.all('SELECT * FROM under_way'), []);
    t.is((await world.cycle()).report.status, 'done');
    t.deepEqual(await world.differences(), []);
  });
