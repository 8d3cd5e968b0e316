import { bufferOf, indexOfByte, viewOf } from '../../projections/four-bytes.ts';
import { FatalError } from '../errors.ts';
import type { Change } from '../plan/operation.ts';
import { pathOf } from '../snapshot/csv.ts';
import { type OnDoubt, tellDoubts } from './beside.ts';
import {
  compareToPath,
  createEntry,
  type Entry,
  readEntry,
  rowOfEntry,
  sameContentOf,
  sameFile,
  samePermissionsOf,
} from './entry.ts';
import { unendedProblem } from './no-snapshot.ts';
import { openRecords, type Records } from './records.ts';
import { sharedRecords } from './shared.ts';

/** Counts of one diff, by path. */
export type DiffSummary = { added: number; removed: number; changed: number };

/** Takes both records of a path, or the one there is. They are valid for the time of the call. */
export type OnPair = (have: Entry | null, want: Entry | null) => void;

const [commas, quote] = [0x2c2c2c2c, 0x22] as const;

/** A side of the merge. `isRead`: the entry is the current record. `previous` holds the path before it: where from and to. */
type Side = {
  readonly records: Records;
  readonly entry: Entry;
  isRead: boolean;
  previous: DataView | undefined;
  previousFrom: number;
  previousTo: number;
  /** The path before the current record, once that is read. */
  before: DataView | undefined;
  beforeFrom: number;
  beforeTo: number;
};

const openSide = (path: string): Side => ({
  records: openRecords(path),
  entry: createEntry(),
  isRead: false,
  previous: undefined,
  previousFrom: 0,
  previousTo: 0,
  before: undefined,
  beforeFrom: 0,
  beforeTo: 0,
});

/** Whether a path that is on both sides needs an operation, or may be one end of a rename. */
const differs = (have: Entry, want: Entry): boolean =>
  !sameFile(have, want) || !sameContentOf(have, want) || !samePermissionsOf(have, want);

/** As `mergeSnapshots`, with rows. */
export const diffSnapshots = (oldPath: string, newPath: string, onChange: (change: Change) => void): DiffSummary => {
  const summary: DiffSummary = { added: 0, removed: 0, changed: 0 };
  mergeSnapshots(oldPath, newPath, (have, want) => {
    const change = changeOf(have, want);
    summary[!change.have ? 'added' : !change.want ? 'removed' : 'changed'] += 1;
    onChange(change);
  });
  return summary;
};

export const changeOf = (have: Entry | null, want: Entry | null): Change => {
  const path = rowOfEntry((have ?? want) as Entry).path;
  return { path, have: have && rowOfEntry(have), want: want && rowOfEntry(want) } as Change;
};

/**
 * Merges two sorted snapshots and reports every path that differs, in path order. Bytes are compared first; only records
 * that differ are looked at. `onDoubt` takes names that could be in the way of what came. Memory is two windows, whatever
 * the files' size. Throws FatalError, with file and line, for a file that is no snapshot, is torn, or is not sorted, and for
 * a record that differs and is none.
 */
export const mergeSnapshots = (oldPath: string, newPath: string, onPair: OnPair, onDoubt?: OnDoubt): void => {
  const a = openSide(oldPath);
  const b = openSide(newPath);
  try {
    for (;;) {
      if (!a.isRead && !b.isRead) skipShared(a, b);
      const have = current(a, b.isRead ? b.entry : null);
      const want = current(b, have);
      if (!have && !want) return;
      const order = !have ? 1 : !want ? -1 : compareToPath(have.path, have.pathFrom, have.pathTo, want);
      if (order < 0) onPair(have, null);
      else if (order > 0) {
        onPair(null, want);
        if (onDoubt) tellDoubts(b, onDoubt);
      } else if (have && want && differs(have, want)) onPair(have, want);
      if (order <= 0) advance(a);
      if (order >= 0) advance(b);
    }
  } finally {
    a.records.close();
    b.records.close();
  }
};

const skipShared = (a: Side, b: Side): void => {
  for (;;) {
    const shared = sharedRecords(a.records, b.records);
    if (shared) {
      // The next record of either side must come after the last one that both share.
      notePath(a, a.records.start + shared.last, a.records.start + shared.length - 1);
      notePath(b, b.records.start + shared.last, b.records.start + shared.length - 1);
      a.records.skip(shared.length);
      b.records.skip(shared.length);
      if (shared.differs) return;
      // A window is used up before more is read: what is left in it has to move.
    } else if (a.records.isLow() || b.records.isLow()) {
      fill(a);
      fill(b);
    } else return;
  }
};

/** Reads on. What is in the window moves, and so the path before is copied. */
const fill = (side: Side): void => {
  const { records } = side;
  if (!records.isLow()) return;
  if (side.previous === records.view) {
    side.previous = viewOf(Buffer.from(records.window.subarray(side.previousFrom, side.previousTo)));
    side.previousTo -= side.previousFrom;
    side.previousFrom = 0;
  }
  records.fill();
};

/** Notes the path of a record that both sides share, and that nobody parses. */
const notePath = (side: Side, from: number, to: number): void => {
  const { window, view } = side.records;
  const isQuoted = window[from] === quote;
  side.previous = isQuoted ? viewOf(Buffer.from(pathOf(window.toString('utf8', from, to)))) : view;
  side.previousFrom = isQuoted ? 0 : from;
  side.previousTo = isQuoted ? side.previous.byteLength : indexOfByte(view, commas, from, to);
};

/** The current record; null at the end of the file. `other` is the other side's, where that is read. */
const current = (side: Side, other: Entry | null): Entry | null => {
  const { records, entry } = side;
  if (side.isRead) return entry;
  fill(side);
  if (records.start === records.end) return null;
  if (!readEntry(entry, records.view, records.start, records.end, records.place, other))
    throw new FatalError(
      `${records.place()}: ${unendedProblem(records.window.subarray(records.start, records.end), records.isTorn())}`,
    );
  const { previous, previousFrom, previousTo } = side;
  if (previous !== undefined && compareToPath(previous, previousFrom, previousTo, entry) >= 0) {
    const [path, before] = [rowOfEntry(entry).path, bufferOf(previous, previousFrom, previousTo).toString('utf8')];
    throw new FatalError(
      `${records.place()}: ${JSON.stringify(path)} stands after ${JSON.stringify(before)}: rows must be sorted by the path's UTF-8 bytes, each path once`,
    );
  }
  side.before = previous;
  side.beforeFrom = previousFrom;
  side.beforeTo = previousTo;
  side.previous = entry.path;
  side.previousFrom = entry.pathFrom;
  side.previousTo = entry.pathTo;
  side.isRead = true;
  return entry;
};

const advance = (side: Side): void => {
  side.records.skip(side.entry.length);
  side.isRead = false;
};
