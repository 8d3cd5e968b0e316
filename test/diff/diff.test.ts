import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { stringify } from 'csv/sync';
import fc from 'fast-check';
import { columns, type FileRow, sameContent, samePermissions } from '../../projections/rows.ts';
import { diffSnapshots } from '../../src/diff/diff.ts';
import type { Change } from '../../src/plan/operation.ts';
import { writeSnapshot } from '../../src/snapshot/export.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { freshFolder } from '../support/folder.ts';
import { randomOf, seedOf } from '../support/seed.ts';

const path = fc.oneof(
  fc
    .string({
      unit: fc.constantFrom('a', 'b', ',', '"', '\n', '\r', ' ', 'é', '\u{1f600}', '\uffee', '/'),
      minLength: 1,
      maxLength: 6,
    })
    .filter((text) => !text.startsWith('/') && !text.includes('//')),
  fc.constantFrom('x', 'y', 'z'),
);

const table = fc.uniqueArray(
  fc.record({
    path,
    file_id: fc.integer({ min: 1, max: 9 }),
    key: fc.constant(null),
    size: fc.option(fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constant(Number.MAX_SAFE_INTEGER))),
    etag: fc.option(fc.constantFrom('e1', 'e2')),
    permissions: fc.option(fc.constantFrom('0644', 'a,b"c')),
    modified_at: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
    offset: fc.integer({ min: 1, max: 9 }),
  }),
  { selector: (row) => row.path, maxLength: 12 },
);

const bytewise = (a: { path: string }, b: { path: string }): number =>
  Buffer.compare(Buffer.from(a.path), Buffer.from(b.path));

const csv = (rows: readonly FileRow[]): string =>
  stringify([...rows].sort(bytewise), {
    header: true,
    columns: [...columns],
    record_delimiter: '\n',
    quoted_match: /\r/,
  });

/** The slow obvious diff: the oracle. */
const oracle = (old: readonly FileRow[], now: readonly FileRow[]): Change[] => {
  const before = new Map(old.map((row) => [row.path, row]));
  const after = new Map(now.map((row) => [row.path, row]));
  return [...new Map([...before, ...after]).keys()]
    .map((name) => ({ path: name }))
    .sort(bytewise)
    .flatMap(({ path: name }): Change[] => {
      const have = before.get(name) ?? null;
      const want = after.get(name) ?? null;
      const same =
        have && want && have.file_id === want.file_id && sameContent(have, want) && samePermissions(have, want);
      return same ? [] : [{ path: name, have, want } as Change];
    });
};

const header = `${columns.join(',')}\n`;
const row = (name: string): string => `${name},1,,1,e,0644,2026-01-01T00:00:00Z,1\n`;
/** A record of three lines. */
const three = row('"a\n\n"');
test('the byte-wise merge finds exactly what the slow obvious diff finds', async (t) => {
  const folder = await freshFolder();
  const [a, b] = [join(folder, 'a.csv'), join(folder, 'b.csv')];
  await fc.assert(
    fc.asyncProperty(table, table, fc.boolean(), async (old, other, related) => {
      // Half of the runs compare a table with a changed copy of itself, where runs of equal bytes are long.
      const now = related ? old.map((row, index) => (index % 4 === 1 ? { ...row, etag: 'changed' } : row)) : other;
      await writeFile(a, csv(old));
      await writeFile(b, csv(now));
      const changes: Change[] = [];
      diffSnapshots(a, b, (change) => changes.push(change));
      t.deepEqual(changes, oracle(old, now));
    }),
    { numRuns: 400 },
  );
});

test('a difference far into large files is found, and the windows slide', async (t) => {
  const folder = await freshFolder();
  const [a, b] = [join(folder, 'a.csv'), join(folder, 'b.csv')];
  const rows = Array.from(
    { length: 60_000 },
    (_, index): FileRow => ({
      path: `f/${String(index).padStart(6, '0')}`,
      file_id: index + 1,
      key: null,
      size: index,
      etag: `etag-${index}`,
      permissions: '0644',
      modified_at: '2026-01-01T00:00:00Z',
      offset: index + 1,
    }),
  );
  const now = rows.map((row, index) => (index === 59_990 || index === 17 ? { ...row, etag: 'changed' } : row));
  await writeFile(a, csv(rows));
  await writeFile(b, csv(now));
  const changed: string[] = [];
  diffSnapshots(a, b, (change) => changed.push(change.path));
  t.deepEqual(changed, ['f/000017', 'f/059990']);
});

test('what differs everywhere in large files is found, however far one window is before the other', async (t) => {
  const folder = await freshFolder();
  const [a, b] = [join(folder, 'a.csv'), join(folder, 'b.csv')];
  const seed = seedOf(t);
  const random = randomOf(seed);
  const old = [header];
  const now = [header];
  const wanted: string[] = [];
  for (let index = 0; index < 60_000; index += 1) {
    const path = `f/${String(index).padStart(6, '0')}`;
    const drawn = random();
    if (drawn < 0.5) wanted.push(path);
    if (drawn > 0.1) old.push(row(path));
    if (drawn < 0.1 || drawn > 0.2) now.push(drawn < 0.5 ? row(path).replace(',e,', ',changed,') : row(path));
  }
  await writeFile(a, old.join(''));
  await writeFile(b, now.join(''));
  const found: string[] = [];
  diffSnapshots(a, b, (change) => found.push(change.path));
  t.is(found.join('\n'), wanted.join('\n'), `SEED=${seed}`);
});

test('a mistake far into a large file is named with its line, whatever is the same before it', async (t) => {
  const folder = await freshFolder();
  const [a, b] = [join(folder, 'a.csv'), join(folder, 'b.csv')];
  const lines = Array.from({ length: 90_000 }, (_, index) => row(`f/${String(index).padStart(6, '0')}`));
  await writeFile(a, header + lines.join(''));
  lines[80_000] = row('f/080000/../x');
  await writeFile(b, header + lines.join(''));
  t.throws(() => diffSnapshots(a, b, () => undefined), { message: /b\.csv, line 80002, / });
});

test('what SQLite writes is what csv-stringify writes', async (t) => {
  const database = await openDatabase({ path: join(await freshFolder(), 'x.db'), mode: 'write' });
  await database.exec(
    'CREATE TABLE file (path TEXT PRIMARY KEY, file_id INTEGER, key TEXT, size INTEGER, etag TEXT, permissions TEXT, modified_at TEXT, "offset" INTEGER) WITHOUT ROWID',
  );
  await fc.assert(
    fc.asyncProperty(table, async (rows) => {
      await database.exec('DELETE FROM file');
      for (const row of rows)
        await database.run(
          'INSERT INTO file VALUES (?,?,?,?,?,?,?,?)',
          columns.map((name) => row[name]),
        );
      let text = '';
      const manifest = await database.reading((queries) =>
        writeSnapshot(queries, { table: 'file', offset: 1 }, async (part) => {
          text += part;
        }),
      );
      t.is(text, csv(rows));
      t.is(manifest.rows, rows.length);
    }),
    { numRuns: 200 },
  );
  await database.close();
});

for (const [title, text, message] of [
  ['a missing column', 'path,file_id,key,size,etag,permissions,offset\n', /line 1: the column modified_at is missing/],
  ['a torn last line', `${header}a,1,,1,e,0644,2026-01-01T00:00:00Z`, /last line is torn/],
  ['a torn last line with an open quote', `${header}"a\nb`, /line 2: the last line is torn/],
  ['a quote in a field without quotes', `${header}${row('a"b')}`, /bad\.csv, line 2: .*a field that is not quoted/],
  [
    'two quotes in a field without quotes',
    `${header}${row('a"b"c')}`,
    /bad\.csv, line 2, .*a field that is not quoted/,
  ],
  ['a quote that is not closed', `${header}${row('"a')}${row('b')}`, /bad\.csv, line 2: .*field is not closed/],
  [
    'a quote that is not closed, far before the end,',
    `${header}${row('"a')}${row('b').repeat(20_000)}`,
    /bad\.csv, line 2: .*field is not closed/,
  ],
  [
    'a field that goes on after its quote',
    `${header}${row('"a"b')}`,
    /bad\.csv, line 2, record .*: a field goes on after its closing quote: [^0-9]*$/,
  ],
  ['a missing column of a quoted header', '"path","file_id"\n', /line 1: the column key, size, .* is missing/],
  ['a missing field', `${header}a,1,,1,e,0644,1\n`, /expected 8 fields .* found 7/],
  [
    'a size that is no number',
    `${header}a,1,,big,e,0644,2026-01-01T00:00:00Z,1\n`,
    /size must be a whole number, found "big"/,
  ],
  [
    'a size that no number holds exactly',
    `${header}a,1,,9007199254740993,e,0644,2026-01-01T00:00:00Z,1\n`,
    /size must be a whole number, found "9007199254740993"; the largest is 9007199254740991/,
  ],
  [
    'rows out of order',
    `${header}b,1,,1,e,,2026-01-01T00:00:00Z,1\na,2,,1,e,,2026-01-01T00:00:00Z,1\n`,
    /bad\.csv, line 3: .*rows must be sorted/,
  ],
  [
    'bytes that are no UTF-8',
    Buffer.from(`${header}${three}${row('b\xff')}`, 'latin1'),
    /bad\.csv, line 5: .*not valid UTF-8/,
  ],
  [
    'a path out of the root',
    `${header}${three}${row('b')}${row('c/../../etc')}`,
    /bad\.csv, line 6, .*path: .* segment '\.\.'/,
  ],
  ['an absolute path', `${header}${row('/etc/passwd')}`, /bad\.csv, line 2, .*path: .* starts with '\/'/],
  ['an empty segment', `${header}${row('a//b')}`, /bad\.csv, line 2, .*path: .* empty segment/],
  ['a NUL', `${header}${row('a\0b')}`, /bad\.csv, line 2, .*path: .* NUL/],
  ['no path at all', `${header}${row('')}`, /bad\.csv, line 2, .*path: .* empty/],
] as const) {
  test(`${title} in a snapshot is named`, async (t) => {
    const folder = await freshFolder();
    await writeFile(join(folder, 'bad.csv'), text);
    await writeFile(join(folder, 'good.csv'), header);
    const [bad, good] = [join(folder, 'bad.csv'), join(folder, 'good.csv')];
    t.throws(() => diffSnapshots(bad, good, () => undefined), { message });
    t.throws(() => diffSnapshots(good, bad, () => undefined), { message });
  });
}

test('a header may be quoted, as any record', async (t) => {
  const folder = await freshFolder();
  const [quoted, bare] = [join(folder, 'quoted.csv'), join(folder, 'bare.csv')];
  await writeFile(quoted, `${columns.map((name) => `"${name}"`).join(',')}\n${row('"a"')}`);
  await writeFile(bare, header + row('a'));
  t.deepEqual(
    diffSnapshots(quoted, bare, () => undefined),
    { added: 0, removed: 0, changed: 0 },
  );
});

test('a path that stands twice is refused, also where the first of them is in both snapshots', async (t) => {
  const folder = await freshFolder();
  const [a, b] = [join(folder, 'a.csv'), join(folder, 'b.csv')];
  for (const name of ['x', '"x,y"']) {
    const line = (id: number): string => `${name},${id},,3,e,0644,2026-01-01T00:00:00Z,${id}\n`;
    await writeFile(a, `${header}${line(1)}${line(2)}`);
    await writeFile(b, `${header}${line(1)}`);
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const)
      t.throws(() => diffSnapshots(one, other, () => undefined), { message: /rows must be sorted .* each path once/ });
  }
});

for (const [title, text, message] of [
  ['an empty file', '', /is empty: a snapshot has at least its header/],
  ['a header without its line end', header.trim(), /the header line has no line end: expected path.* and LF$/],
  ['a byte order mark', `\ufeff${header}`, /byte order mark/],
  ['CRLF', header.replace('\n', '\r\n'), /CRLF line ends/],
] as const) {
  test(`${title} is told by name, and nothing else is shown`, async (t) => {
    const folder = await freshFolder();
    await writeFile(join(folder, 'bad.csv'), text);
    await writeFile(join(folder, 'good.csv'), header);
    const error = t.throws(() => diffSnapshots(join(folder, 'bad.csv'), join(folder, 'good.csv'), () => undefined));
    t.regex(error?.message ?? '', message);
    t.true((error?.message.length ?? 0) < 1_000);
  });
}

const testWithPipes = process.platform === 'win32' ? test.skip : test; // no process substitution there

testWithPipes('a pipe that would have to be read twice is no empty file', async (t) => {
  const folder = await freshFolder();
  const record = (path: string, id: number): string => `${path},${id},,1,e${id},0644,2026-01-01T00:00:00Z,${id}\n`;
  const [old, now] = [join(folder, 'old.csv'), join(folder, 'new.csv')];
  await writeFile(old, `${columns.join(',')}\n${record('a', 1)}`);
  await writeFile(now, `${columns.join(',')}\n${record('a', 1)}${record('a/b', 2)}`);
  const command = '"$0" src/cli.ts diff <(cat "$1") <(cat "$2")';
  const { status, stderr } = spawnSync('bash', ['-c', command, process.execPath, old, now], { encoding: 'utf8' });
  t.is(status, 1);
  t.regex(stderr, /holds nothing more: .* give it a file and no pipe/);
});
