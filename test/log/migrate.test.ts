import { join } from 'node:path';
import test from 'ava';
import type { BucketEvent, OutcomeEvent } from '../../events/event.ts';
import { openLog } from '../../src/log/log.ts';
import { findDamage } from '../../src/log/verify-log.ts';
import { freshFolder } from '../support/folder.ts';
import { toFormat1 } from '../support/log-format-1.ts';

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
