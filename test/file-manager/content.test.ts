import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import { receive } from '../../src/file-manager/content.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const mebibyte = 1_048_576;
const slowness = 300;

/** Every flush of this process takes `slowness` milliseconds longer, and is counted. */
const slowFlushes = async (folder: string): Promise<{ count: number }> => {
  const handle = await open(join(folder, 'any'), 'w');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const flushes = { count: 0 };
  for (const name of ['sync', 'datasync'] as const) {
    const flush = prototype[name];
    prototype[name] = async function (this: FileHandle) {
      flushes.count += 1;
      await pause(slowness);
      await flush.call(this);
    };
  }
  return flushes;
};

test('a disk that is slow is not taken for a sender that is silent, and never has much to flush at once', async (t) => {
  const folder = await realpath(await freshFolder());
  t.teardown(() => removeFolder(folder));
  const flushes = await slowFlushes(folder);
  const file = join(folder, 'large');
  const piece = Buffer.alloc(mebibyte);
  const length = 150 * mebibyte;
  const body = Readable.from(Array.from({ length: 150 }, () => piece));
  const received = await receive(body, { length }, { file, stallMs: slowness / 3 });
  t.is(received.size, length);
  t.is((await stat(file)).size, length);
  t.is(flushes.count, 3, 'after 64 MiB, after 128 MiB and at the end');
});

/** A body whose pieces of so many bytes come 29 seconds apart for so many hours, and the clock that tells so. */
const dripping = (bytes: number, hours: number) => {
  const pieces = Math.ceil((hours * 3_600) / 29);
  let at = 0;
  const body = Readable.from(
    (function* () {
      for (let piece = 0; piece < pieces; piece += 1) {
        at += 29_000;
        yield Buffer.alloc(bytes);
      }
    })(),
    { objectMode: false, highWaterMark: 1 },
  );
  return { body, length: bytes * pieces, now: () => at };
};

test('an upload may take days; a sender that only holds its connection is cut off after six hours', async (t) => {
  const large = dripping(29 * 200, 48);
  const { size } = await receive(large.body, large, { file: undefined, stallMs: 30_000, now: large.now });
  t.is(size, large.length);
  const drip = dripping(1, 7);
  const received = receive(drip.body, drip, { file: undefined, stallMs: 30_000, now: drip.now });
  await t.throwsAsync(received, { message: /^only 7\d\d bytes .* six hours$/ });
});
