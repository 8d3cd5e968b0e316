import fs from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import test from 'ava';
import { freshFolder } from '../support/folder.ts';

/** Bytes that were read, and bytes of them that became text, since the start of this process. */
const cost = { read: 0, decoded: 0 };
const { readSync } = fs;
fs.readSync = ((...given: Parameters<typeof readSync>) => {
  const read = readSync(...given);
  cost.read += read;
  return read;
}) as typeof readSync;
syncBuiltinESMExports();
const { toString: decode } = Buffer.prototype;
Buffer.prototype.toString = function (...given: Parameters<typeof decode>) {
  const text = decode.apply(this, given);
  cost.decoded += text.length;
  return text;
};

const { diffSnapshots } = await import('../../src/diff/diff.ts');
const { header } = await import('../../src/snapshot/csv.ts');

const rowOf = (at: number, size: number): string =>
  `files/${String(at).padStart(7, '0')},${at + 1},,${size},etag${size},0644,2026-01-01T00:00:00Z,${at + 1}\n`;

const costOf = async (rows: number, changed: readonly number[]) => {
  const folder = await freshFolder();
  const [old, now] = [join(folder, 'old.csv'), join(folder, 'new.csv')];
  const text = (size: (at: number) => number): string =>
    header + Array.from({ length: rows }, (_, at) => rowOf(at, size(at))).join('');
  await writeFile(
    old,
    text(() => 1),
  );
  await writeFile(
    now,
    text((at) => (changed.includes(at) ? 2 : 1)),
  );
  const bytes = fs.statSync(old).size + fs.statSync(now).size;
  const before = { ...cost };
  const summary = diffSnapshots(old, now, () => undefined);
  return { bytes, read: cost.read - before.read, decoded: cost.decoded - before.decoded, summary };
};

test.serial('a diff reads each byte once', async (t) => {
  const { bytes, read, summary } = await costOf(50_000, [0, 777, 25_000, 49_999]);
  t.deepEqual(summary, { added: 0, removed: 0, changed: 4 });
  t.is(read, bytes);
});

test.serial('a diff makes text of no more than the records that differ', async (t) => {
  const changed = [100, 1_000, 5_000];
  const small = await costOf(10_000, changed);
  const large = await costOf(80_000, changed);
  t.true(
    large.decoded <= 2 * (header.length + changed.length * rowOf(5_000, 1).length),
    `${large.decoded} of ${large.bytes} bytes became text`,
  );
  t.is(large.decoded, small.decoded);
});
