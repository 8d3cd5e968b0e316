import test from 'ava';
import { bufferOf, viewOf } from '../../projections/four-bytes.ts';
import { column, type FileRow } from '../../projections/rows.ts';
import { createEntry, type Entry, readEntry, rowOfEntry, textOfPath } from '../../src/diff/entry.ts';
import { createUnpacked } from '../../src/plan/packed.ts';
import { createPackedStore, twoRecords } from '../../src/plan/packed-store.ts';
import { randomOf, seedOf } from '../support/seed.ts';

const folders = ['a/', 'a/b/', 'a/b/c/', 'é/', `${'long/'.repeat(60)}`];
const keys = ['', '', '', 'a/key', '"a,key"'];
const sizes = ['', '0', '7', '1234', '12345', '123456789012345', '1234567890123456'];
const etags = ['', 'ff', 'a087eaf300b349c98706c4ebfb2627fd', 'A087EAF300B349C98706C4EBFB2627FD', 'a087eaf300b349c9-12'];
const permissions = ['', '0644', '0x44', 'none'];

/** A row as it comes back: the time of one that has an etag may be left out. */
const known = (row: FileRow): FileRow => (row.etag === null ? row : { ...row, modified_at: '' });

test('packed records come back in turn and one by one, whatever their paths share and their digits are', (t) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const record = (): string => {
    const fields = [`${one(folders)}${Math.floor(random() * 1e4)}`, String(Math.floor(random() * 1e9))];
    fields.push(one(keys), one(sizes), one(etags), one(permissions), '2026-01-01T00:00:00.000Z', one(sizes) || '9');
    if (random() < 0.02) fields[column.etag] = 'long'.repeat(100);
    return `${fields.join(',')}\n`;
  };
  const store = createPackedStore();
  const items = Array.from({ length: 10_000 }, () => ({
    first: record(),
    second: random() < 0.3 ? record() : undefined,
    extra: random() < 0.5 ? String(Math.floor(random() * 2 ** 53)) : '',
  }));
  const entryOf = (text: string) => {
    const entry = createEntry();
    readEntry(entry, viewOf(Buffer.from(text)), 0, Buffer.byteLength(text));
    return entry;
  };
  const read = (entry: Entry) => ({ path: textOfPath(entry), row: known(rowOfEntry(entry)) });
  for (const { first, second, extra } of items)
    store.append(second ? twoRecords : 0, entryOf(first), second ? entryOf(second) : null, {
      bytes: viewOf(Buffer.from(extra)),
      from: 0,
      to: extra.length,
    });
  const positions: number[] = [];
  store.each((tag, position, { entry, extra }, second) => {
    const item = items[positions.push(position) - 1];
    const rows = [entry, ...(tag === twoRecords ? [second.entry] : [])].map(read);
    const wanted = [item?.first, item?.second].flatMap((text) => (text === undefined ? [] : [read(entryOf(text))]));
    const digits = bufferOf(extra.bytes, extra.from, extra.to).toString();
    if (JSON.stringify([rows, digits]) !== JSON.stringify([wanted, item?.extra]))
      t.deepEqual([rows, digits], [wanted, item?.extra ?? ''], `SEED=${seed}`);
  });
  t.is(positions.length, items.length);

  const into = createUnpacked();
  for (let at = items.length - 1; at >= 0; at -= 7) {
    store.read(positions[at] as number, into);
    t.deepEqual(read(into.entry), read(entryOf(items[at]?.first ?? '')), `SEED=${seed}`);
  }
});
