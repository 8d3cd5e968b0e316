import { createHash } from 'node:crypto';
import { join } from 'node:path';
import test from 'ava';
import type { BucketEvent, OutcomeEvent } from '../../events/event.ts';
import { DamageError } from '../../src/errors.ts';
import { writeIds } from '../../src/log/ids.ts';
import { openLog } from '../../src/log/log.ts';
import { listQuarantined, type Poison, quarantineLimits } from '../../src/log/quarantine.ts';
import { openLogForReading } from '../../src/log/read-log.ts';
import { findDamage } from '../../src/log/verify-log.ts';
import { eventsIn, readWindow } from '../../src/log/window.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { freshFolder } from '../support/folder.ts';

const event = (id: string, fields: Partial<BucketEvent> = {}): BucketEvent => ({
  id,
  type: 'create',
  time: '2026-01-01T00:00:00Z',
  path: `files/${id}`,
  source: 'native',
  ...fields,
});

const poison = (text: string): Poison => ({
  source: 'sqs',
  deliveryId: 'd1',
  reason: 'no JSON',
  attributes: {},
  body: Buffer.from(text),
});

test('offsets are 1, 2, 3, … whatever was delivered twice in between', async (t) => {
  const log = await openLog(join(await freshFolder(), 'events.db'));
  await log.append([event('a'), event('b'), event('a')]);
  await log.append([event('b'), event('c')]);
  const { events, duplicates } = await log.append([event('a'), event('d')]);
  t.deepEqual(
    events.map(({ offset, id }) => [offset, id]),
    [[4, 'd']],
  );
  t.is(duplicates, 1);
  t.deepEqual(
    (await log.read(1, 9, 9)).map(({ offset, id }) => `${offset}${id}`),
    ['1a', '2b', '3c', '4d'],
  );
  await log.close();
});

test('an event comes back as it went in', async (t) => {
  const log = await openLog(join(await freshFolder(), 'events.db'));
  const full = event('full', {
    type: 'rename',
    to: 'b',
    size: 5_000_000_000,
    etag: 'e',
    permissions: '0644',
    version: 'n:00015',
    key: 'k',
    modifiedAt: '2026-01-02T00:00:00Z',
    scope: 'marker',
  });
  const outcome: OutcomeEvent = {
    id: 'outcome:1',
    type: 'outcome',
    time: '2026-01-01T00:00:00Z',
    path: 'd/',
    scope: 'marker',
    source: 'file-manager',
    operation: 'delete',
    fileId: 1,
    fileOffset: 0,
  };
  await log.append([full, outcome]);
  t.deepEqual(await log.read(1, 2, 2), [
    { ...full, offset: 1 },
    { ...outcome, offset: 2 },
  ]);
  await log.close();
});

test('rows are never updated or deleted', async (t) => {
  const log = await openLog(join(await freshFolder(), 'events.db'));
  await log.append([event('a')]);
  await t.throwsAsync(log.database.run(`UPDATE event SET path = 'x'`), { message: /append-only/ });
  await t.throwsAsync(log.database.run('DELETE FROM event'), { message: /append-only/ });
  await log.close();
});

test('a log to which somebody else has appended takes nothing more from ids in memory, and holds each id once', async (t) => {
  const path = join(await freshFolder(), 'events.db');
  const log = await openLog(path);
  await log.append([event('a')]);
  const other = await openLog(path);
  await other.append([event('b')]);
  await t.throwsAsync(log.append([event('b')]), {
    instanceOf: DamageError,
    message: /events\.db ends at offset 2, and not at 1 as this process left it: another process writes there/,
  });
  await log.close();
  t.is((await other.append([event('b'), event('c')])).events[0]?.offset, 3);
  await other.close();
});

test('the same id with another payload is quarantined, in one batch and across batches', async (t) => {
  const log = await openLog(join(await freshFolder(), 'events.db'));
  await log.append([event('a', { size: 1 })]);
  const { events, conflicts } = await log.append([
    event('a', { size: 2 }),
    event('b', { size: 1 }),
    event('b', { size: 2 }),
  ]);
  t.deepEqual(
    events.map(({ id }) => id),
    ['b'],
  );
  t.deepEqual(
    conflicts.map(({ id }) => id),
    ['a', 'b'],
  );
  const entries = await listQuarantined(log.database);
  t.is(entries.length, 2);
  t.regex(entries[0]?.reason ?? '', /id "a" was already used at offset 1 with another payload/);
  await log.close();
});

test('an order token that another version of the service read from the same id is no other payload', async (t) => {
  const log = await openLog(join(await freshFolder(), 'events.db'));
  const time = '2026-01-01T00:00:00.5Z';
  const told = (version: string, fields: Partial<BucketEvent> = {}) =>
    event('minio:b/a#create::s3:00015:R', { source: 'minio', version, time, ...fields });
  await log.append([told('s3:00015'), event('n', { version: 'n:00011' })]);
  const again = await log.append([
    told('minio:2026-01-01T00:00:00.500000000.00015'),
    event('n', { version: 'n:00012' }),
    told('minio:2026-01-01T00:00:00.500000000.00015', { size: 7 }),
  ]);
  t.is(again.duplicates, 1);
  t.deepEqual(
    again.conflicts.map(({ source }) => source),
    ['native', 'minio'],
    'a producer that states its own differs',
  );
  await log.close();
});

test('an outcome that is repeated after a crash counts once, although its time differs', async (t) => {
  const log = await openLog(join(await freshFolder(), 'events.db'));
  const outcome: OutcomeEvent = {
    id: 'outcome:1',
    type: 'outcome',
    time: '2026-01-01T00:00:00Z',
    path: 'a',
    source: 'file-manager',
    operation: 'save',
    fileId: 1,
    fileOffset: 1,
  };
  await log.append([outcome]);
  t.is((await log.append([{ ...outcome, time: '2026-01-01T00:00:09Z' }])).duplicates, 1);
  await log.close();
});

test('an outcome is no duplicate of an event of a bucket that has its id, nor the other way round', async (t) => {
  const log = await openLog(join(await freshFolder(), 'events.db'));
  const facts = { type: 'outcome', time: '2026-01-01T00:00:00Z', source: 'file-manager', operation: 'save' } as const;
  const outcome = (id: `outcome:${string}`): OutcomeEvent => ({ ...facts, id, path: id, fileId: 1, fileOffset: 1 });
  const asked = (id: string): BucketEvent => event(id, { source: 's3+head' });
  await log.append([asked('outcome:1'), outcome('outcome:2')]);
  const { duplicates, conflicts } = await log.append([outcome('outcome:1'), asked('outcome:2')]);
  t.deepEqual([duplicates, conflicts.map(({ id }) => id)], [0, ['outcome:1', 'outcome:2']]);
  await log.close();
});

test('the same poison is counted, not stored again, and a full quarantine refuses', async (t) => {
  const log = await openLog(join(await freshFolder(), 'events.db'), { entriesMax: 2, bytesMax: 1_000 });
  t.is((await log.append([], [poison('x'), poison('x'), poison('y')])).quarantined, 2);
  const { refused, events } = await log.append([event('a')], [poison('z')]);
  t.deepEqual(
    refused.map(({ body }) => body.toString()),
    ['z'],
  );
  t.is(events.length, 1);
  t.deepEqual(
    (await listQuarantined(log.database)).map(({ times }) => times),
    [2, 1],
  );
  await log.close();
});

test('attributes and reasons fill quarantine as bodies do', async (t) => {
  const log = await openLog(join(await freshFolder(), 'events.db'), { entriesMax: 100, bytesMax: 1_000 });
  const large = { ...poison(''), attributes: { name: 'x'.repeat(600) } };
  const wordy = { ...poison('y'), reason: 'z'.repeat(600) };
  t.deepEqual((await log.append([], [large, wordy])).refused, [wordy], 'two of them in one batch');
  t.deepEqual((await log.append([], [wordy])).refused, [wordy], 'and one after the other');
  t.deepEqual((await log.append([], [large])).refused, [], 'what is there already needs no room');
  await log.close();
});

test('a message with very many ids that were used before costs one entry with a short reason', async (t) => {
  const path = join(await freshFolder(), 'events.db');
  const log = await openLog(path);
  const ids = Array.from({ length: 2_000 }, (_, at) => `id-${at}`);
  await log.append(ids.map((id) => event(id, { size: 1 })));
  const message = poison('all of them');
  const { conflicts, quarantined } = await log.append(
    ids.map((id) => event(id, { size: 2 })),
    [{ ...message, reason: 'one more record is bad' }],
    (_, reason) => ({ ...message, reason }),
  );
  t.deepEqual([conflicts.length, quarantined], [2_000, 1]);
  const [entry, ...others] = await listQuarantined(log.database);
  t.is(others.length, 0);
  t.regex(entry?.reason ?? '', /^one more record is bad; id "id-0" .*; and 1981 more$/);
  t.true((entry?.reason.length ?? 0) < 10_000);
  await log.close();
});

test('a changed byte in the log is found, with its offset', async (t) => {
  const path = join(await freshFolder(), 'events.db');
  const log = await openLog(path);
  await log.append(Array.from({ length: 20 }, (_, index) => event(`e${index}`)));
  t.is(await findDamage(log.database), undefined);
  await log.close();
  const database = await openDatabase({ path, mode: 'write' });
  await database.exec(`DROP TRIGGER event_no_update; UPDATE event SET path = 'files/e1x' WHERE "offset" = 12`);
  t.is((await findDamage(database))?.offset, 12);
  await database.close();
});

test('a log from a newer version is refused', async (t) => {
  const path = join(await freshFolder(), 'events.db');
  const log = await openLog(path);
  await log.database.run(`UPDATE meta SET value = '99' WHERE name = 'version'`);
  await log.close();
  await t.throwsAsync(openLog(path), { message: /newer version/ });
  await t.throwsAsync(openLogForReading(path), { message: /newer version/ });
});

test('a full disk rolls the batch back, says so, and nothing of it is in the log', async (t) => {
  const path = join(await freshFolder(), 'events.db');
  const log = await openLog(path);
  await log.append([event('a')]);
  const pages = await log.database.get<{ page_count: number }>('PRAGMA page_count');
  await log.database.exec(`PRAGMA max_page_count = ${(pages?.page_count ?? 0) + 2}`);
  const many = Array.from({ length: 5_000 }, (_, index) =>
    event(`long-${index}`, { path: `${'x'.repeat(200)}${index}` }),
  );
  await t.throwsAsync(log.append(many), { message: /no space left/ });
  t.is(await log.last(), 1);
  await log.database.exec('PRAGMA max_page_count = 1000000');
  t.is((await log.append([event('b')])).events[0]?.offset, 2);
  await log.close();
});

test('the checksum of many rows is that of their text, whatever characters they hold', async (t) => {
  const folder = await freshFolder();
  const log = await openLog(join(folder, 'events.db'));
  const odd = [
    '"',
    '\\',
    '\n',
    '\r',
    '\t',
    '\b',
    '\f',
    '\u0001',
    '\u001f',
    '\u007f',
    'é',
    '\u2028',
    '\u{1f600}',
    '\uffee',
  ];
  await log.append(
    odd.map((text, index) => ({
      id: `${index}${text}`,
      type: 'create',
      time: '2026-01-01T00:00:00Z',
      path: `p${text}`,
      etag: text,
      size: 5_000_000_000 + index,
      source: 'native',
    })),
  );
  const window = await readWindow(log.database, { offset: 0, checksum: 0 }, 1_000);
  t.is(window.computed, window.stored);
  t.deepEqual(eventsIn(window), await log.read(1, 1_000, 1_000));
  await log.close();
});

test('whatever an event says beside the usual comes back, alone and among others', async (t) => {
  const log = await openLog(join(await freshFolder(), 'events.db'));
  const seldom: Partial<BucketEvent>[] = [
    {},
    { key: 'k' },
    { modifiedAt: '2026-01-01T00:00:00Z' },
    { scope: 'marker' },
    { source: 'a "source", null' },
    { source: ',null' },
    { to: 'b', size: 1, etag: 'e', permissions: '0644', version: 'n:00011' },
  ];
  const named = (how: string): BucketEvent[] => seldom.map((more, at) => event(`${how} ${at}`, more));
  const outcome: OutcomeEvent = {
    ...{ id: 'outcome:1', type: 'outcome', time: '2026-01-01T00:00:00Z', path: 'p', source: 'file-manager' },
    ...{ operation: 'save', fileId: 1, fileOffset: 2 },
  };
  for (const one of [...named('alone'), outcome]) await log.append([one]);
  await log.append(named('together'));
  t.deepEqual(
    (await log.read(1, 100, 100)).map(({ offset: _, ...said }) => said),
    [...named('alone'), outcome, ...named('together')],
  );
  const window = await readWindow(log.database, { offset: 0, checksum: 0 }, 100);
  t.is(window.computed, window.stored);
  await log.close();
});

test('an id is known however many came after it', async (t) => {
  const path = join(await freshFolder(), 'events.db');
  const log = await openLog(path, quarantineLimits, 50_000);
  const ids = Array.from({ length: 140_000 }, (_, n) => `id-${n}`);
  for (let from = 0; from < ids.length; from += 20_000)
    await log.append(ids.slice(from, from + 20_000).map((id) => event(id)));
  const again = await log.append([event('id-0'), event('new'), event('id-70000'), event('id-119999')]);
  t.deepEqual([again.events.map(({ id }) => id), again.duplicates], [['new'], 3]);
  const conflict = await log.append([event('id-1', { path: 'elsewhere' })]);
  t.deepEqual([conflict.events.length, conflict.conflicts.length], [0, 1]);
  await log.close();

  const reopened = await openLog(path);
  const redelivered = await reopened.append([event('new'), event('newer')]);
  t.deepEqual([redelivered.events.map(({ id }) => id), redelivered.duplicates], [['newer'], 1]);
  for (let from = 0; from < ids.length; from += 20_000)
    t.is((await reopened.append(ids.slice(from, from + 20_000).map((id) => event(id)))).duplicates, 20_000);
  await reopened.close();
});

test('an id is known also where others of its batch were not new', async (t) => {
  const path = join(await freshFolder(), 'events.db');
  const log = await openLog(path, quarantineLimits, 50_000);
  const named = (...names: string[]): BucketEvent[] => names.map((name) => event(name));
  await log.append(named('a', 'b'));
  t.is((await log.append(named('b', 'c', 'a', 'c', 'd'))).events.length, 2);
  await log.append(Array.from({ length: 50_000 }, (_, at) => event(`other ${at}`)));
  await log.append(named('e'));
  // One by one: ids that share a digest are found together.
  for (const name of ['a', 'b', 'c', 'd', 'e']) t.is((await log.append(named(name))).duplicates, 1, name);
  await log.close();
});

test('ids are known by 48 bits of their SHA-256 and the place of each, also behind a missing event', async (t) => {
  const log = await openLog(join(await freshFolder(), 'events.db'));
  const places = ['a', 'b', 'c', 'd', 'e'].map((id, at) => [id, [1, 2, 7, 8, 12][at] as number] as const);
  await writeIds(log.database, places);
  const digestOf = (id: string): number => createHash('sha256').update(id).digest().readUIntBE(0, 6);
  t.deepEqual(
    await log.database.all('SELECT digest, "offset" FROM known_id ORDER BY "offset"'),
    places.map(([id, offset]) => ({ digest: digestOf(id), offset })),
  );
  await log.close();
});
