import { DamageError } from '../errors.ts';
import type { Database } from '../storage/database.ts';
import { findDamage, type LogDamage } from './verify-log.ts';

/** Events whose checksums one start recomputes: well under a second, whatever the size of the log. */
const eventsPerCheck = 200_000;

/**
 * How far the log was checked at starts before: 1 to `checked` at least once, and the next round over them goes on behind
 * `round`. It lies in the log's `meta`.
 */
type Checked = { readonly checked: number; readonly round: number };

const readChecked = async (database: Database): Promise<Checked> => {
  const row = await database.get<{ value: string }>(`SELECT value FROM meta WHERE name = 'checked'`);
  return row ? (JSON.parse(row.value) as Checked) : { checked: 0, round: 0 };
};

/**
 * Recomputes part of the checksum chain before anything goes on from the log: what no start has checked yet comes first,
 * and then a round over all the rest, some events at each start. A log of up to `events` events is checked whole each time;
 * of a larger one a changed byte is found after a bounded number of starts, and by `replay` at once. Throws DamageError with
 * the offset.
 */
export const checkLog = async (database: Database, events = eventsPerCheck): Promise<void> => {
  const before = await readChecked(database);
  const { last } = (await database.get<{ last: number | null }>('SELECT max("offset") AS last FROM event')) ?? {};
  const end = last ?? 0;
  if (end < before.checked) {
    const problem = `event ${end + 1} and those after it are missing: there were ${before.checked}`;
    throw damaged(database.path, { offset: end + 1, problem });
  }
  const checked = Math.min(end, before.checked + events);
  await insist(database, before.checked + 1, checked);
  const room = events - (checked - before.checked);
  const from = before.round >= before.checked ? 0 : before.round;
  const first = Math.min(before.checked, from + room);
  await insist(database, from + 1, first);
  const wrapped = first === before.checked ? Math.min(from, room - (first - from)) : 0;
  await insist(database, 1, wrapped);
  const round = wrapped > 0 && wrapped < from ? wrapped : first;
  if (checked === before.checked && round === before.round) return;
  await database.run(`INSERT OR REPLACE INTO meta VALUES ('checked', ?)`, [JSON.stringify({ checked, round })]);
};

/** Throws DamageError with the offset when an event from `from` to `to` is not what was appended. */
export const insist = async (database: Database, from: number, to: number): Promise<void> => {
  if (from > to) return;
  const damage = await findDamage(database, from, to);
  if (damage) throw damaged(database.path, damage);
};

const damaged = (path: string, { offset, problem }: LogDamage): DamageError =>
  new DamageError(
    `the event log ${path} is damaged at offset ${offset}: ${problem}. Nothing goes on past it. Either restore the file ` +
      `from a backup (delete it, its -wal and -shm files and the projections first) and run 's3-sync reconcile'; or look at ` +
      `what was known before the damage with 's3-sync replay --to ${offset - 1} --into FILE', then move the data folder away and begin anew with 's3-sync initial-sync'`,
  );
