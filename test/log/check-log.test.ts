import { join } from 'node:path';
import test from 'ava';
import type { BucketEvent } from '../../events/event.ts';
import { checkLog } from '../../src/log/check-log.ts';
import { openLog } from '../../src/log/log.ts';
import { cellsOfRow, chainText, type EventRow, textOf } from '../../src/log/rows.ts';
import { freshFolder } from '../support/folder.ts';

const event = (number: number): BucketEvent => ({
  id: `e${number}`,
  type: 'create',
  time: '2026-01-01T00:00:00Z',
  path: `files/${number}`,
  source: 'native',
});

const logOf = async (count: number) => {
  const log = await openLog(join(await freshFolder(), 'events.db'));
  const grow = async (more: number): Promise<void> => {
    const last = await log.last();
    await log.append(Array.from({ length: more }, (_, at) => event(last + at + 1)));
  };
  await grow(count);
  const flip = (offset: number): Promise<void> =>
    log.database.exec(
      `DROP TRIGGER IF EXISTS event_no_update; UPDATE event SET path = 'files/x' WHERE "offset" = ${offset}`,
    );
  return { log, grow, flip };
};

/** Starts until the damage is found, at most ten. */
const startsUntilFound = async (check: () => Promise<void>): Promise<number> => {
  for (let start = 1; start <= 10; start++) {
    try {
      await check();
    } catch {
      return start;
    }
  }
  return Number.POSITIVE_INFINITY;
};

test('in a log of up to the size of one check, a changed byte is found at the next start, wherever it is', async (t) => {
  for (const [sizes, offset] of [
    [[20], 1],
    [[20], 20],
    [[10, 10], 3],
    [[10, 5, 5], 12],
    [[1, 1, 18], 1],
  ] as const) {
    const { log, grow, flip } = await logOf(0);
    for (const size of sizes) {
      await grow(size);
      await checkLog(log.database, 20);
    }
    await flip(offset);
    await t.throwsAsync(checkLog(log.database, 20), {
      message: new RegExp(`damaged at offset ${offset}: .*replay --to ${offset - 1} `),
    });
    await log.close();
  }
});

test('in a larger log new events are checked first, and the others in a round over a bounded number of starts', async (t) => {
  for (const offset of [1, 7, 13, 50, 95, 100]) {
    const { log, flip } = await logOf(100);
    for (let start = 0; start < 6; start++) await checkLog(log.database, 20);
    await flip(offset);
    t.true((await startsUntilFound(() => checkLog(log.database, 20))) <= 6, String(offset));
    await log.close();
    const fresh = await logOf(100);
    for (let start = 0; start < 5; start++) await checkLog(fresh.log.database, 20);
    await fresh.grow(15);
    await fresh.flip(110);
    t.is(await startsUntilFound(() => checkLog(fresh.log.database, 20)), 1);
    await fresh.log.close();
  }
});

test('a row that was changed together with its own checksum shows at the next one', async (t) => {
  const { log } = await logOf(20);
  const row = async (offset: number): Promise<EventRow> =>
    (await log.database.get<EventRow>('SELECT * FROM event WHERE "offset" = ?', [offset])) as EventRow;
  const forged = { ...(await row(12)), path: 'files/x' };
  const checksum = chainText((await row(11)).checksum, textOf(cellsOfRow(forged)));
  await log.database.exec('DROP TRIGGER event_no_update');
  await log.database.run('UPDATE event SET path = ?, checksum = json_extract(?, \'$\') WHERE "offset" = 12', [
    forged.path,
    String(checksum),
  ]);
  await t.throwsAsync(checkLog(log.database, 50), { message: /damaged at offset 13/ });
  await log.close();
});

test('events that are missing at the end are found, and a check of what is whole writes nothing again', async (t) => {
  const { log } = await logOf(20);
  await checkLog(log.database, 50);
  await checkLog(log.database, 50);
  const changes = await log.database.get<{ n: number }>('SELECT total_changes() AS n');
  await checkLog(log.database, 50);
  t.deepEqual(await log.database.get('SELECT total_changes() AS n'), changes);
  await log.database.exec('DROP TRIGGER event_no_delete; DELETE FROM event WHERE "offset" > 18');
  await t.throwsAsync(checkLog(log.database, 50), { message: /offset 19: event 19 and those after it are missing/ });
  await log.close();
});
