import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import { decode } from '../../events/decode.ts';
import type { Decoded } from '../../events/message.ts';
import { takeIn } from '../../src/intake/intake.ts';
import { openLog } from '../../src/log/log.ts';
import type { Log } from '../../src/log/read-log.ts';
import { findDamage } from '../../src/log/verify-log.ts';
import { openProjector } from '../../src/projector/projector.ts';
import type { Delivery } from '../../src/sources/source.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { randomOf, seedOf } from '../support/seed.ts';
import { messageOf, samples } from './corpus.ts';
import { mutated } from './mutate.ts';

const messages = Number(process.env.MESSAGES ?? 100_000);
const batchMessages = 5_000;

const isPath = (path: string): boolean =>
  path.isWellFormed() &&
  Buffer.byteLength(path) <= 1_024 &&
  path
    .replace(/\/$/, '')
    .split('/')
    .every((segment) => !['', '.', '..'].includes(segment) && Buffer.byteLength(segment) <= 255) &&
  !path.includes('\0');

const isTime = (time: string): boolean =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(time) && !Number.isNaN(Date.parse(time));

/** What is wrong with a decoded event, whatever it was decoded from; written apart from the decoders. */
const wrongWith = (one: Decoded): string | undefined => {
  if (one.kind !== 'event' && one.kind !== 'ask') return one.reason === '' ? 'no reason' : undefined;
  const { id, type, time, path, to, size, etag, permissions, version, key, modifiedAt } = one.event;
  const texts = [id, etag, permissions, version, key].filter((text) => text !== undefined);
  if (texts.some((text) => typeof text !== 'string' || text === '' || !text.isWellFormed() || text.includes('\0')))
    return 'a text that no database keeps';
  if (!isTime(time) || (modifiedAt !== undefined && !isTime(modifiedAt))) return 'a time that is none';
  if (!isPath(path) || (to !== undefined && !isPath(to))) return 'a path that no disk holds';
  if ((to !== undefined) !== (type === 'rename' || type === 'move') || to === path) return 'a destination';
  if (to !== undefined && (to.endsWith('/') !== path.endsWith('/') || (path.endsWith('/') && to.startsWith(path))))
    return 'a destination that cannot be';
  if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0)) return 'a size';
  if (type === 'create' && path.endsWith('/') && (size ?? 0) > 0) return 'a folder with content';
  if (version !== undefined && !/^(s3|minio|gcs|n|v):./.test(version)) return 'an order token';
  if (etag !== undefined && !/^[\x20\x21\x23-\x7e]+$/.test(etag)) return 'an etag';
  return undefined;
};

/**
 * A field of another type is refused where it is read, and changes nothing where it is not; a native `version` may be a
 * text or a number. A bad sample may become a good one.
 */
const slippedIn = (field: string, before: readonly Decoded[], after: readonly Decoded[]): boolean =>
  field !== 'version' &&
  before.every(({ kind }) => kind !== 'reject') &&
  after.some(
    (one) =>
      (one.kind === 'event' || one.kind === 'ask') && !before.some((original) => isDeepStrictEqual(original, one)),
  );

/** How often quarantine was given something to hold. */
const timesQuarantined = async (log: Log): Promise<number> =>
  (await log.database.get<{ times: number }>('SELECT coalesce(sum(times), 0) AS times FROM quarantine'))?.times ?? -1;

test(`${messages} mutated messages each end as an event, an ignore or a quarantine entry, and the counts add up`, async (t) => {
  t.timeout(300_000);
  const seed = seedOf(t);
  const random = randomOf(seed);
  const folder = await freshFolder();
  const log = await openLog(join(folder, 'events.db'), { entriesMax: messages * 2, bytesMax: 2 ** 31 });
  const projector = await openProjector({
    path: join(folder, 'projections.db'),
    logPath: join(folder, 'events.db'),
    logId: log.logId,
  });
  const originals = samples.map((sample) => decode(messageOf(sample, sample.bytes)));
  const expected = { facts: 0, event: 0, ask: 0, ignore: 0, reject: 0 };
  /** What must be in quarantine: facts, and the messages that brought them, of which each is one entry. */
  const refused = { facts: 0, messages: 0 };
  const taken = { appended: 0, duplicates: 0, ignored: 0, rejected: 0 };
  for (let start = 0; start < messages; start += batchMessages) {
    const deliveries: Delivery[] = [];
    for (let at = start; at < Math.min(messages, start + batchMessages); at++) {
      const index = Math.floor(random() * samples.length);
      const sample = samples[index] as (typeof samples)[number];
      const mutation = mutated(sample, random);
      const message = messageOf(sample, mutation.bytes);
      const decoded = decode(message);
      const described = `SEED=${seed}: message ${at}, from ${sample.name}: ${mutation.bytes.toString('latin1').slice(0, 2_000)}`;
      if (decoded.length === 0) t.fail(`nothing at all. ${described}`);
      for (const one of decoded) {
        expected.facts += 1;
        expected[one.kind] += 1;
        const problem = wrongWith(one);
        if (problem !== undefined) t.fail(`${problem}. ${described}`);
      }
      const bad = decoded.filter((one) => one.kind === 'reject' || (one.kind === 'ask' && one.unasked === 'reject'));
      refused.facts += bad.length;
      refused.messages += Math.sign(bad.length);
      if (mutation.retyped !== undefined && slippedIn(mutation.retyped, originals[index] ?? [], decoded))
        t.fail(`${mutation.retyped} of another type makes another event. ${described}`);
      deliveries.push({ deliveryId: String(at), message });
    }
    const intake = await takeIn(deliveries, { log, sourceName: 'mutated' });
    t.is(intake.messages, deliveries.length);
    t.deepEqual(intake.refused, []);
    for (const name of ['appended', 'duplicates', 'ignored', 'rejected'] as const) taken[name] += intake[name];
  }
  const sum = taken.appended + taken.duplicates + taken.ignored + taken.rejected;
  t.is(sum, expected.facts, `SEED=${seed}: ${JSON.stringify({ taken, expected })}`);
  t.is(await log.last(), taken.appended);
  // Beside these, each reuse of an id with another payload is an entry.
  t.is(await timesQuarantined(log), refused.messages + taken.rejected - refused.facts);
  t.true(refused.facts >= expected.reject && taken.rejected >= refused.facts);
  t.true(expected.event > messages / 20 && expected.reject > messages / 20 && expected.ignore > messages / 50);
  t.is(await findDamage(log.database), undefined);
  t.is(await projector.catchUp(), taken.appended);
  await projector.close();
  await log.close();
  await removeFolder(folder);
});
