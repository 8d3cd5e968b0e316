import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { realpath, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { serverProcess } from '../file-manager/child.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const mebibyte = 1_048_576;
const piece = randomBytes(mebibyte);

/** An S3 endpoint with one object, whose first download breaks off in the middle. */
const startBucket = async (
  t: ExecutionContext,
  mebibytes: number,
): Promise<{ url: string; etag: string; requests: string[] }> => {
  const md5 = createHash('md5');
  for (let at = 0; at < mebibytes; at++) md5.update(piece);
  const etag = md5.digest('hex');
  const length = mebibytes * mebibyte;
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    requests.push(`${request.headers['if-match']} ${from > 0 ? 'range' : 'whole'}`);
    const until = from === 0 ? length / 2 : length;
    response.writeHead(from === 0 ? 200 : 206, {
      'content-length': String(length - from),
      etag: `"${etag}"`,
      'last-modified': 'Fri, 02 Jan 2026 03:04:05 GMT',
      ...(from > 0 && { 'content-range': `bytes ${from}-${length - 1}/${length}` }),
    });
    const pieces = function* (): Generator<Buffer> {
      for (let at = from; at < until; ) {
        const within = at % mebibyte;
        const next = piece.subarray(within, within + Math.min(mebibyte - within, until - at));
        yield next;
        at += next.length;
      }
    };
    pipeline(Readable.from(pieces(), { objectMode: false }), response, { end: until === length })
      .then(() => until < length && response.destroy())
      .catch(() => undefined);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, etag, requests };
};

test('carrying 2 GiB from the bucket to the file manager, over a break, keeps the peak RSS under 256 MiB', async (t) => {
  t.timeout(170_000);
  const mebibytes = 2_048;
  const root = await realpath(await freshFolder());
  t.teardown(() => removeFolder(root));
  const [fileManager, bucket] = [await serverProcess(t, root), await startBucket(t, mebibytes)];
  const script = fileURLToPath(new URL('./carry-process.ts', import.meta.url));
  const length = mebibytes * mebibyte;
  const { stdout } = await promisify(execFile)(process.execPath, [
    script,
    bucket.url,
    fileManager.url,
    String(length),
    bucket.etag,
  ]);
  const { peakKibibytes, ...result } = JSON.parse(stdout);
  t.deepEqual(result, { done: 1, bytes: length, unverified: 0, failures: [] });
  t.deepEqual(bucket.requests, [`"${bucket.etag}" whole`, `"${bucket.etag}" range`]);
  t.is((await stat(join(root, 'large'))).size, length);
  const peakMebibytes = Math.round(Number(peakKibibytes) / 1024);
  t.log(`peak RSS of the process that carries it: ${peakMebibytes} MiB`);
  t.true(peakMebibytes > 0 && peakMebibytes < 256, `${peakMebibytes} MiB`);
});
