import type { Queries } from '../storage/database.ts';
import { eventColumnList } from './columns.ts';
import { checksumAt } from './read-log.ts';
import { cellsOfRow, chainText, type EventRow, textOf } from './rows.ts';
import { type Place, readWindow } from './window.ts';

/** The first place at which the log is not what was appended. */
export type LogDamage = { readonly offset: number; readonly problem: string };

const windowEvents = 10_000;

/**
 * Recomputes the checksum chain from `from` to `to` (which must be there; default: to the end); resolves with the first
 * damage, or undefined when all holds.
 */
export const findDamage = async (queries: Queries, from = 1, to?: number): Promise<LogDamage | undefined> => {
  const before = await checksumAt(queries, from - 1);
  const end = to ?? (await queries.get<{ last: number | null }>('SELECT max("offset") AS last FROM event'))?.last ?? 0;
  for (let place: Place = { offset: from - 1, checksum: before ?? 0 }; place.offset < end; ) {
    const through = Math.min(end, place.offset + windowEvents);
    const { last, stored, computed } = await readWindow(queries, place, through);
    const damage = computed === stored && last === through ? undefined : await locateDamage(queries, place, through);
    if (damage) return damage;
    place = { offset: last, checksum: stored };
  }
  return undefined;
};

/** Goes through the rows after a sound place one by one: slower, and the judge of what a window's text only suspects. */
const locateDamage = async (queries: Queries, sound: Place, through: number): Promise<LogDamage | undefined> => {
  const rows = await queries.all<EventRow>(
    `SELECT ${eventColumnList} FROM event WHERE "offset" > ? AND "offset" <= ? ORDER BY "offset"`,
    [sound.offset, through],
  );
  let { offset, checksum } = sound;
  for (const row of rows) {
    if (row.offset !== offset + 1) break;
    offset = row.offset;
    checksum = chainText(checksum, textOf(cellsOfRow(row)));
    if (checksum !== row.checksum)
      return { offset, problem: `event ${offset} is not what was appended (checksum differs)` };
  }
  return offset === through ? undefined : { offset: offset + 1, problem: `offset ${offset + 1} is missing` };
};
