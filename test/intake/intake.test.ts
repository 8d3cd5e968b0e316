import { join } from 'node:path';
import test from 'ava';
import { takeIn } from '../../src/intake/intake.ts';
import { openLog } from '../../src/log/log.ts';
import type { Delivery } from '../../src/sources/source.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const delivery = (deliveryId: string, body: string | object): Delivery => ({
  deliveryId,
  message: { body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), attributes: {} },
});
const create = (id: string, path: string) =>
  delivery(id, { id, type: 'create', time: '2026-01-01T00:00:00Z', path, size: 1 });

const logOf = async (entriesMax: number) => {
  const folder = await freshFolder();
  const log = await openLog(join(folder, 'events.db'), { entriesMax, bytesMax: 1_000_000 });
  const close = async () => {
    await log.close();
    await removeFolder(folder);
  };
  return { log, close };
};

test('with a full quarantine the good messages of a batch are appended, and only the bad ones refused', async (t) => {
  const { log, close } = await logOf(1);
  const options = { log, sourceName: 'test' };
  const batch = [create('1', 'a'), delivery('bad 1', '{'), create('2', 'b'), delivery('bad 2', '['), create('3', 'c')];
  const intake = await takeIn(batch, options);
  t.like(intake, { messages: 5, appended: 3, quarantined: 1 });
  t.deepEqual(
    intake.refused.map(({ deliveryId }) => deliveryId),
    ['bad 2'],
  );
  t.is(await log.last(), 3);
  await close();
});

test('a message that reuses an id is refused too when quarantine is full, and never taken for kept', async (t) => {
  const { log, close } = await logOf(0);
  const options = { log, sourceName: 'test' };
  await takeIn([create('1', 'a')], options);
  const again = create('1', 'another');
  const intake = await takeIn([create('2', 'b'), again], options);
  t.like(intake, { appended: 1, quarantined: 0 });
  t.deepEqual(intake.refused, [again]);
  await close();
});

test('what a source could not read whole goes to quarantine with its reason, undecoded', async (t) => {
  const { log, close } = await logOf(10);
  const whole = create('1', 'a');
  const intake = await takeIn([{ ...whole, unreadable: 'line 7 is too long' }], { log, sourceName: 'file' });
  t.like(intake, { appended: 0, quarantined: 1, refused: [] });
  t.like(await log.database.get('SELECT reason, source FROM quarantine'), {
    reason: 'line 7 is too long',
    source: 'file',
  });
  await close();
});

test('CloudEvents with one id from two sources both count, each once', async (t) => {
  const { log, close } = await logOf(10);
  const from = (source: string, path: string) =>
    delivery(source, {
      ...{ specversion: '1.0', id: '1', source, type: 'create', time: '2026-01-31T12:00:00Z' },
      data: { path },
    });
  const options = { log, sourceName: 'test' };
  t.like(await takeIn([from('/a', 'a'), from('/b', 'b')], options), { appended: 2, quarantined: 0 });
  t.like(await takeIn([from('/b', 'b'), from('/a', 'a')], options), { appended: 0, duplicates: 2, quarantined: 0 });
  t.like(await takeIn([from('/b', 'other')], options), { appended: 0, quarantined: 1 });
  await close();
});
