import type { LogEvent, OutcomeEvent, Recorded } from '../../events/event.ts';
import { extend, isBeyond, type Placed } from '../../projections/file/frontier.ts';
import { viewOf } from '../../projections/four-bytes.ts';
import { aheadMax, createPackedRows } from '../../projections/packed-rows.ts';
import { columns } from '../../projections/rows.ts';
import type { Store } from '../../projections/store.ts';
import type { Totals } from '../../projections/working-set.ts';
import { type Cells, createCells, nullBegins, place, readCells } from '../log/cells.ts';
import { type EventCells, eventOfCells } from '../log/rows.ts';
import { createApply, type EventAt, letters } from './apply-cells.ts';
import { comesAfter } from './comes-after.ts';
import { countOutcomes, type ProjectionMeta } from './meta.ts';

/**
 * The fold of a log's beginning, on its bytes: it makes the same file table as `foldBucketEvents` (evolve.ts says what each
 * event does), and no event and no row becomes an object on the way. It ends at the first event that is not for it: one
 * that comes late, or that is past what it may hold. The ordinary fold goes on from there.
 */
export type BulkFold = {
  /** Folds the events of a window, and notes in `meta` how far. Returns the outcomes among them, which it leaves alone. */
  fold(
    window: Buffer,
    meta: ProjectionMeta,
  ): { readonly outcomes: readonly Recorded<OutcomeEvent>[]; readonly isWhole: boolean };
  /** Writes the rows into the table, which is empty, and resolves with what it holds then. */
  write(store: Store): Promise<Totals>;
};

export type BulkLimits = {
  /** Bytes that rows may take before the rest is left. */
  readonly roomMax?: number | undefined;
  /** Rows that may be looked at for events about folders before the rest is left. */
  readonly rowsLookedAtMax?: number | undefined;
  /** See `createPackedRows`. */
  readonly chunkWords?: number | undefined;
};

/** Rows that are made into text at once. A text of more than 128 kB would wait for a collection of everything. */
const rowsAtOnce = 500;

const bracket = 0x5b;

const outcome = letters('outcome');
const types = ['create', 'delete', 'change_permission', 'rename', 'move', 'outcome'] as const;
const names: ReadonlyMap<number, LogEvent['type']> = new Map(types.map((name) => [letters(name), name]));

const text = (bytes: Buffer, from: number, to: number): string =>
  JSON.parse(bytes.toString('utf8', from, to)) as string;

export const createBulkFold = (limits: BulkLimits = {}): BulkFold => {
  const { roomMax = 512 * 1024 * 1024, rowsLookedAtMax = 500_000_000, chunkWords } = limits;
  const rows = createPackedRows(chunkWords);
  const apply = createApply(rows, rowsLookedAtMax);
  /** The cells of some events, and of each where it ends and its path's hash. */
  const batch = Array.from({ length: aheadMax }, createCells);
  const ends = new Int32Array(aheadMax);
  const hashes = new Uint32Array(aheadMax);
  /** Of the event in hand. */
  const event: EventAt = { bytes: new DataView(new ArrayBuffer(0)), cells: createCells(), hash: 0, type: 0, length: 0 };
  let { from, to } = event.cells;
  let window: Buffer = Buffer.alloc(0);
  let { bytes } = event;

  const isNull = (column: number): boolean => bytes.getUint8(from[column] as number) === nullBegins;

  /** Where the order token and the time of the last event lie in the window. `isThere`: the frontier has yet to be told. */
  const last = { isThere: false, versionFrom: 0, versionTo: 0, timeFrom: 0, timeTo: 0 };

  const placed = (versionFrom: number, versionTo: number, timeFrom: number, timeTo: number): Placed => ({
    time: text(window, timeFrom, timeTo),
    ...(bytes.getUint8(versionFrom) !== nullBegins && { version: text(window, versionFrom, versionTo) }),
  });

  const settle = (meta: ProjectionMeta): void => {
    if (last.isThere)
      extend(meta.fileFold.frontier, placed(last.versionFrom, last.versionTo, last.timeFrom, last.timeTo));
    last.isThere = false;
  };

  /**
   * Whether the event in the cells comes after all before it. Mostly the event before tells: it came after all others, so
   * what has a later token of the same scheme, and no earlier time, does too.
   */
  const isNext = (meta: ProjectionMeta): boolean => {
    const versionFrom = from[place.version] as number;
    const versionTo = to[place.version] as number;
    const timeFrom = from[place.time] as number;
    const timeTo = to[place.time] as number;
    const versionLength = versionTo - versionFrom;
    const timeLength = timeTo - timeFrom;
    const isLater =
      last.isThere &&
      versionLength === last.versionTo - last.versionFrom &&
      timeLength === last.timeTo - last.timeFrom &&
      comesAfter(bytes, last.timeFrom, timeFrom, timeLength, false) === false &&
      (isNull(place.version)
        ? bytes.getUint8(last.versionFrom) === nullBegins
        : comesAfter(bytes, versionFrom, last.versionFrom, versionLength, true) === true);
    if (!isLater) {
      settle(meta);
      if (!isBeyond(meta.fileFold.frontier, placed(versionFrom, versionTo, timeFrom, timeTo))) return false;
    }
    return true;
  };

  const remember = (): void => {
    last.isThere = true;
    last.versionFrom = from[place.version] as number;
    last.versionTo = to[place.version] as number;
    last.timeFrom = from[place.time] as number;
    last.timeTo = to[place.time] as number;
  };

  /** Reads the events from `at` on, as many as are looked at ahead; returns how many there are. */
  const readBatch = (at: number): number => {
    let count = 0;
    for (let next = at; count < aheadMax && next < bytes.byteLength && bytes.getUint8(next) === bracket; count++) {
      const cells = batch[count] as Cells;
      ends[count] = readCells(bytes, next, cells);
      hashes[count] = rows.hashOf(bytes, cells.from[place.path] as number, cells.to[place.path] as number);
      next = (ends[count] as number) + 1;
    }
    rows.lookAhead(hashes, count);
    return count;
  };

  return {
    fold: (json, meta) => {
      window = json;
      bytes = viewOf(json);
      event.bytes = bytes;
      rows.tidy();
      const outcomes: Recorded<OutcomeEvent>[] = [];
      const counts = new Map<number, number>();
      let isWhole = rows.room() <= roomMax;
      let through = meta.checkpoint;
      let isSeen = false;
      for (let at = 1, end = at, next = 0, count = 0; isWhole; at = end + 1, next += 1) {
        if (next === count) {
          next = 0;
          count = readBatch(at);
          if (count === 0) break;
        }
        event.cells = batch[next] as Cells;
        ({ from, to } = event.cells);
        end = ends[next] as number;
        event.hash = hashes[next] as number;
        event.length = end - at;
        const type = bytes.getUint16((from[place.type] as number) + 1);
        event.type = type;
        if (type === outcome)
          outcomes.push(
            eventOfCells(JSON.parse(window.toString('utf8', at, end)) as EventCells) as Recorded<OutcomeEvent>,
          );
        else if (isNext(meta) && apply(event)) {
          remember();
          isSeen = true;
        } else {
          isWhole = false;
          break;
        }
        counts.set(type, (counts.get(type) ?? 0) + 1);
        through += 1;
      }
      if (isSeen) meta.stats.lastEventAt = text(window, last.timeFrom, last.timeTo);
      settle(meta);
      for (const [type, count] of counts) {
        const name = names.get(type) as LogEvent['type'];
        meta.stats.events[name] = (meta.stats.events[name] ?? 0) + count;
      }
      countOutcomes(meta.stats, outcomes);
      meta.checkpoint = through;
      return { outcomes, isWhole };
    },
    write: async (store) => {
      const totals: Totals = { files: 0, bytes: 0 };
      let written: Promise<void> = Promise.resolve();
      for (const lot of rows.lots(rowsAtOnce)) {
        totals.files += lot.totals.files;
        totals.bytes += lot.totals.bytes;
        const next = store.insert({ into: 'file', columns, rows: lot.texts });
        // What it throws is thrown where it is awaited.
        next.catch(() => undefined);
        await written;
        written = next;
      }
      await written;
      return totals;
    },
  };
};
