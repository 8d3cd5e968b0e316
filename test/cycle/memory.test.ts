import { join } from 'node:path';
import test from 'ava';
import { recall, rememberListing } from '../../src/cycle/memory.ts';
import { openLog } from '../../src/log/log.ts';
import { freshFolder } from '../support/folder.ts';

const time = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();

test('of listings the newest times are kept, and one that a crash ended has ended when the next began', async (t) => {
  const log = await openLog(join(await freshFolder(), 'events.db'));
  const listings = async () => (await recall(log.database)).listings;
  await rememberListing(log.database, { from: time(1) });
  await rememberListing(log.database, { from: time(3) });
  t.deepEqual(await listings(), [{ from: time(1), to: time(3) }, { from: time(3) }]);
  await rememberListing(log.database, { from: time(3), to: time(4) });
  t.deepEqual(await listings(), [
    { from: time(1), to: time(3) },
    { from: time(3), to: time(4) },
  ]);
  for (let minute = 5; minute < 50; minute += 1) await rememberListing(log.database, { from: time(minute) });
  t.is((await listings())?.length, 32);
  t.deepEqual((await listings())?.at(-1), { from: time(49) });
  await log.close();
});
