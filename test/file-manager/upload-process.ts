import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { createFileManagerClient } from '../../src/file-manager/client.ts';
import { peakRssKib } from '../support/peak-rss.ts';

/** Uploads a generated stream in a process of its own and prints its peak RSS in KiB: arguments URL, length in bytes. */
const [baseUrl, lengthText] = process.argv.slice(2);
if (baseUrl === undefined) throw new Error('usage: upload-process.ts URL LENGTH');
const length = Number(lengthText);
const piece = randomBytes(262_144);
function* pieces(): Generator<Buffer> {
  for (let left = length; left > 0; left -= piece.length) yield left < piece.length ? piece.subarray(0, left) : piece;
}
const client = createFileManagerClient({ baseUrl });
await client.saveToDisk(
  'large',
  { body: Readable.from(pieces(), { objectMode: false }), length },
  { idempotencyKey: 'k' },
);
process.stdout.write(`${peakRssKib()}\n`);
