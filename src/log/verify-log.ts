import type { Queries } from '../storage/database.ts';
import { chain, type EventRow, payloadOfRow } from './rows.ts';
import { eventColumnList } from './schema.ts';

/** The first place at which the log is not what was appended. */
export type LogDamage = { readonly offset: number; readonly problem: string };

const pageRows = 10_000;

/** Recomputes the checksum chain from `from` to `to` (which must be there; default: to the end); resolves with the first damage, or undefined when all holds. */
export const findDamage = async (
  queries: Queries,
  from = 1,
  to = Number.MAX_SAFE_INTEGER,
): Promise<LogDamage | undefined> => {
  const before = await queries.get<{ checksum: number }>('SELECT checksum FROM event WHERE "offset" = ?', [from - 1]);
  let checksum = before?.checksum ?? 0;
  let expected = from;
  for (;;) {
    const rows = await queries.all<EventRow>(
      `SELECT ${eventColumnList} FROM event WHERE "offset" >= ? AND "offset" <= ? ORDER BY "offset" LIMIT ?`,
      [expected, to, pageRows],
    );
    for (const row of rows) {
      if (row.offset !== expected) return { offset: expected, problem: `offset ${expected} is missing` };
      checksum = chain(checksum, row.offset, payloadOfRow(row));
      if (checksum !== row.checksum) {
        return { offset: row.offset, problem: `event ${row.offset} is not what was appended (checksum differs)` };
      }
      expected += 1;
    }
    if (rows.length === pageRows) continue;
    const cut = to !== Number.MAX_SAFE_INTEGER && expected <= to;
    return cut ? { offset: expected, problem: `offset ${expected} is missing` } : undefined;
  }
};
