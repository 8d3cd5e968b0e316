import { join } from 'node:path';
import test from 'ava';
import type { BucketEvent, OutcomeEvent } from '../../events/event.ts';
import { openLog } from '../../src/log/log.ts';
import { findDamage } from '../../src/log/verify-log.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { freshFolder } from '../support/folder.ts';

const events: readonly BucketEvent[] = Array.from({ length: 25_000 }, (_, n) => ({
  id: `id-${n}`,
  type: 'create',
  time: '2026-01-01T00:00:00Z',
  path: `files/${n}`,
  source: 'native',
}));

const outcome: OutcomeEvent = {
  id: 'outcome:1',
  type: 'outcome',
  time: '2026-01-01T00:00:00Z',
  path: 'files/1',
  source: 'file-manager',
  operation: 'delete',
  fileId: 1,
  fileOffset: 1,
};

/** Turns a log into one of format 1: ids under a UNIQUE constraint, no digests. */
const toFormat1 = async (path: string): Promise<void> => {
  const database = await openDatabase({ path, mode: 'write' });
  const [table] = await database.all<{ sql: string }>("SELECT sql FROM sqlite_schema WHERE name = 'event'");
  const triggers = await database.all<{ sql: string }>("SELECT sql FROM sqlite_schema WHERE type = 'trigger'");
  await database.exec(`
    DROP TRIGGER event_no_update; DROP TRIGGER event_no_delete; DROP INDEX outcome_id;
    DROP TABLE known_id;
    ALTER TABLE event RENAME TO later;
    ${table?.sql.replace('id TEXT NOT NULL', 'id TEXT NOT NULL UNIQUE')};
    INSERT INTO event SELECT * FROM later; DROP TABLE later;
    ${triggers.map(({ sql }) => `${sql};`).join('\n')}
    UPDATE meta SET value = '1' WHERE name = 'version';`);
  await database.close();
};

test('a log of format 1 goes on as it is: same events, same checksums, every id known', async (t) => {
  const path = join(await freshFolder(), 'events.db');
  const first = await openLog(path);
  await first.append([...events, outcome]);
  const before = await first.database.all('SELECT * FROM event');
  await first.close();
  await toFormat1(path);

  const log = await openLog(path);
  t.deepEqual(await log.database.all('SELECT * FROM event'), before);
  t.is(log.logId, first.logId);
  const again = await log.append([events[0], { ...events[0], id: 'new' }, events[24_999]] as BucketEvent[]);
  t.deepEqual([again.events.map(({ offset }) => offset), again.duplicates], [[25_002], 2]);
  t.is(await findDamage(log.database), undefined);
  await t.throwsAsync(log.database.run('DELETE FROM event'), { message: /append-only/ });
  await log.close();
});
