import type { LogEvent, Recorded } from '../../events/event.ts';
import { DamageError } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import { openDatabase, type Queries } from '../storage/database.ts';
import { eventColumns } from './columns.ts';
import { heldIdsMax, type Ids, openIds } from './ids.ts';
import { type Poison, type QuarantineLimits, quarantineLimits, storePoison } from './quarantine.ts';
import { type Log, lastRow, reading } from './read-log.ts';
import { cellsOf, cellsOfRow, chainText, type EventRow, eventOfCells, textOf } from './rows.ts';
import { prepareLog } from './schema.ts';
import { storedAs } from './stored.ts';
import type { Place } from './window.ts';

/** What became of a batch. Every event is in exactly one of the first three. */
export type Appended = {
  /** New events, with their offsets: what a read of the log would give. */
  readonly events: readonly Recorded[];
  /** Events whose id and payload the log already holds: one event, one effect. */
  readonly duplicates: number;
  /** Events whose id the log holds with another payload: quarantined, never applied. */
  readonly conflicts: readonly LogEvent[];
  /** Entries newly put into quarantine; one that is there already is counted there, and not here. */
  readonly quarantined: number;
  /** Messages for which quarantine has no room: they must not be acked. */
  readonly refused: readonly Poison[];
};

export type ConflictPoison = (event: LogEvent, reason: string) => Poison | undefined;

export type WritableLog = Log & {
  /** Which of these ids the log holds. */
  holds(ids: readonly string[]): Promise<ReadonlySet<string>>;
  /**
   * Appends a batch in one durable transaction. When it resolves, the events may be acked; when it throws, nothing of
   * the batch is in the log. Offsets stay contiguous: only new events take one. `poisonOf` makes the quarantine entry of a
   * conflict, for callers that know the message in which the event came; undefined when it has one already.
   */
  append(events: readonly LogEvent[], poison?: readonly Poison[], poisonOf?: ConflictPoison): Promise<Appended>;
};

/** A fact that the bucket was asked about may be answered differently on redelivery; its id alone decides. */
const wasAsked = (source: string): boolean => source.endsWith('+head') || source.endsWith('+acl');

/**
 * The cells that may differ between two payloads that say the same. A native producer states its order token; everybody
 * else's is what a decoder makes of a sequencer that the id holds too, and other versions of it may make another.
 */
const mayDiffer = ({ source }: LogEvent): readonly number[] =>
  source === 'native'
    ? [eventColumns.indexOf('source')]
    : [eventColumns.indexOf('source'), eventColumns.indexOf('version')];

/** Whether two payloads of one id say the same. Outcomes differ in time when an operation was repeated after a crash. */
const samePayload = (event: LogEvent, row: EventRow): boolean => {
  if (event.type === 'outcome' || row.type === 'outcome') return event.type === row.type;
  if (wasAsked(event.source) || wasAsked(row.source)) return true;
  const ours = cellsOf(row.offset, event);
  const free = mayDiffer(event);
  return cellsOfRow(row).every((cell, index) => cell === ours[index] || free.includes(index));
};

/** The ids in memory are those of the log only as long as nobody else appends: past that an id could be recorded twice. */
const insistOnLast = (known: Place, found: Place, path: string): void => {
  if (found.offset === known.offset && found.checksum === known.checksum) return;
  throw new DamageError(
    `${path} ends at offset ${found.offset}, and not at ${known.offset} as this process left it: another process writes there; end it, then start again`,
  );
};

/** Opens the log for its one writer, and creates it when missing. `idsMax`: ids that it holds in memory. */
export const openLog = async (
  path: string,
  limits: QuarantineLimits = quarantineLimits,
  idsMax = heldIdsMax,
): Promise<WritableLog> => {
  const database = await openDatabase({ path, mode: 'write', synchronous: 'FULL' });
  try {
    await database.exec('PRAGMA wal_autocheckpoint = 8000;');
    const { logId } = await prepareLog(database);
    const ids = await openIds(database, idsMax);
    let known = await lastRow(database);
    return {
      ...reading(database, logId),
      holds: async (wanted) => new Set((await ids.find(database, wanted)).keys()),
      append: async (events, poison = [], poisonOf = conflictAlone) => {
        failpoint('append.before');
        const { wrote, appended, last } = await database.transaction(async (queries) => {
          insistOnLast(known, await lastRow(queries), path);
          const wrote = await ids.write(queries);
          const appended = await appendBatch(queries, { ids, last: known }, events, poison, poisonOf, limits);
          return { wrote, ...appended };
        });
        ids.committed(wrote, appended.events);
        known = last;
        failpoint('append.committed');
        return appended;
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
};

const appendBatch = async (
  queries: Queries,
  { ids, last: before }: { readonly ids: Ids; readonly last: Place },
  events: readonly LogEvent[],
  poison: readonly Poison[],
  poisonOf: ConflictPoison,
  limits: QuarantineLimits,
): Promise<{ readonly appended: Appended; readonly last: Place }> => {
  const known = await ids.find(
    queries,
    events.map(({ id }) => id),
  );
  const fresh = new Map<string, LogEvent>();
  const conflicts: LogEvent[] = [];
  let duplicates = 0;
  for (const event of events) {
    const row = known.get(event.id);
    const twin = fresh.get(event.id);
    if (row ? samePayload(event, row) : twin && samePayload(event, asRow(twin))) duplicates++;
    else if (row || twin) conflicts.push(event);
    else fresh.set(event.id, event);
  }
  const { recorded, last } = await insertEvents(queries, before, [...fresh.values()]);
  failpoint('append.written');
  const conflictPoison = conflicts.flatMap(
    (event) => poisonOf(event, conflictReason(event.id, known.get(event.id)?.offset)) ?? [],
  );
  const stored = await storePoison(queries, [...poison, ...conflictPoison], limits);
  const { stored: quarantined, refused } = stored;
  return { appended: { events: recorded, duplicates, conflicts, quarantined, refused }, last };
};

const insertEvents = async (
  queries: Queries,
  before: Place,
  events: readonly LogEvent[],
): Promise<{ readonly recorded: Recorded[]; readonly last: Place }> => {
  if (events.length === 0) return { recorded: [], last: before };
  let { offset, checksum } = before;
  const recorded: Recorded[] = [];
  const { columns, rowOf } = storedAs(events);
  const rows = events.map((event) => {
    offset += 1;
    const cells = cellsOf(offset, event);
    const text = textOf(cells);
    checksum = chainText(checksum, text);
    recorded.push(eventOfCells(cells));
    return rowOf(text, event, checksum);
  });
  await queries.insert({ into: 'event', columns, rows });
  return { recorded, last: { offset, checksum } };
};

const asRow = (event: LogEvent): EventRow => {
  const cells = [...cellsOf(0, event), 0];
  return Object.fromEntries(eventColumns.map((name, index) => [name, cells[index]])) as EventRow;
};

const conflictReason = (id: string, offset: number | undefined): string =>
  `id ${JSON.stringify(id)} was already used ${offset ? `at offset ${offset} ` : ''}with another payload: the producer must give every fact an id of its own`;

const conflictAlone: ConflictPoison = (event, reason) => ({
  source: event.source,
  deliveryId: event.id,
  reason,
  attributes: {},
  body: Buffer.from(JSON.stringify(event)),
});
