import test from 'ava';
import { viewOf } from '../../projections/four-bytes.ts';
import { createEntry, type Entry, readEntry } from '../../src/diff/entry.ts';
import { randomOf, seedOf } from '../support/seed.ts';

/** Fields at the borders of what is plain; each may stand anywhere. */
const fields = ['', '0', '1', '12', '012', '1234567890123456', 'a', 'a/b', 'a//b', 'a/./b', 'a/..c', '/a', 'd/', 'e-1'];
// In latin1: a character, and one that is cut off.
const odd = ['"a,b"', 'a\\b', '\xc3\xa9', '\xc3x', 'a b(c)', '\x7f', '0644', '2026-01-01T00:00:00Z'];

const known = ({ plain, length, ends, pathFrom, pathTo, start, row }: Entry): object => ({
  ...(plain ? { ends: [...ends] } : { row }),
  plain,
  length,
  path: [pathFrom - (plain ? start : 0), pathTo - (plain ? start : 0)],
});

/** What comes of reading a record, where that is none too. */
const read = (entry: Entry, bytes: DataView, start: number, like: Entry | null): object => {
  try {
    return readEntry(entry, bytes, start, bytes.byteLength, undefined, like) ? known(entry) : { ended: false };
  } catch (error) {
    return { message: String(error) };
  }
};

test('a record is read the same, whatever it shares with one before it', (t) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const field = (): string => one(random() < 0.8 ? fields : odd);
  let plain = 0;
  for (let run = 0; run < 30_000; run += 1) {
    const record = [one(['a', 'b/c', '\xc3\xa9', field()]), '7', '', '5', 'e-1', '0644', '2026-01-01T00:00:00Z', '9'];
    if (random() < 0.3) record[Math.floor(random() * 8)] = field();
    const other = [...record];
    if (random() < 0.8) other[Math.floor(random() * 8)] = field();
    if (random() < 0.1) other.length = 7;
    const padding = '#'.repeat(Math.floor(random() * 4));
    const first = createEntry();
    const second = createEntry();
    const bytes = viewOf(Buffer.from(`${padding}${other.join(',')}${random() < 0.9 ? '\n' : ''}`, 'latin1'));
    read(first, viewOf(Buffer.from(`${record.join(',')}\n`, 'latin1')), 0, null);
    const alone = read(createEntry(), bytes, padding.length, null);
    const found = read(second, bytes, padding.length, first);
    plain += first.plain && second.plain ? 1 : 0;
    if (JSON.stringify(found) !== JSON.stringify(alone)) t.deepEqual(found, alone, `SEED=${seed} ${other.join(',')}`);
  }
  t.true(plain > 5_000);
});
