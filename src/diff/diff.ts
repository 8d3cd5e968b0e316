import { isUtf8 } from 'node:buffer';
import { type FileRow, sameContent, samePermissions } from '../../projections/rows.ts';
import { FatalError } from '../errors.ts';
import type { Change } from '../plan/operation.ts';
import { comparePaths } from '../plan/paths.ts';
import { pathOf, rowOf } from '../snapshot/csv.ts';
import { openRecords, type Records, sharedRecords } from './records.ts';

/** Counts of one diff, by path. */
export type DiffSummary = { added: number; removed: number; changed: number };

/** Whether a row that is on both sides needs an operation, or may be one end of a rename. */
const differs = (have: FileRow, want: FileRow): boolean =>
  have.file_id !== want.file_id || !sameContent(have, want) || !samePermissions(have, want);

/** A side of the merge: the file, and its current record once it had to be parsed. */
type Side = { readonly records: Records; row: FileRow | undefined; length: number; previous: string | undefined };

/**
 * Merges two sorted snapshots and reports every path that differs, in path order. Bytes are compared first; only records
 * that differ are parsed. Memory is two windows, whatever the files' size. Throws FatalError, with file and line, for a
 * file that is no snapshot, is torn, or is not sorted, and for a record that differs and is none.
 */
export const diffSnapshots = (oldPath: string, newPath: string, onChange: (change: Change) => void): DiffSummary => {
  const summary: DiffSummary = { added: 0, removed: 0, changed: 0 };
  const a: Side = { records: openRecords(oldPath), row: undefined, length: 0, previous: undefined };
  const b: Side = { records: openRecords(newPath), row: undefined, length: 0, previous: undefined };
  try {
    for (;;) {
      if (!a.row && !b.row) skipShared(a, b);
      const have = current(a);
      const want = current(b);
      if (!have && !want) return summary;
      const order = !have ? 1 : !want ? -1 : comparePaths(have.path, want.path);
      if (order < 0 && have) {
        summary.removed += 1;
        onChange({ path: have.path, have, want: null });
        advance(a);
      } else if (order > 0 && want) {
        summary.added += 1;
        onChange({ path: want.path, have: null, want });
        advance(b);
      } else if (have && want) {
        if (differs(have, want)) {
          summary.changed += 1;
          onChange({ path: have.path, have, want });
        }
        advance(a);
        advance(b);
      }
    }
  } finally {
    a.records.close();
    b.records.close();
  }
};

const skipShared = (a: Side, b: Side): void => {
  for (;;) {
    a.records.fill();
    b.records.fill();
    const shared = sharedRecords(a.records, b.records);
    if (!shared) return;
    const { window, start } = a.records;
    // The next record of either side must come after the last one that both share.
    const last = window.toString('utf8', start + shared.last, start + shared.length - 1);
    a.previous = pathOf(last);
    b.previous = a.previous;
    a.records.skip(shared.length);
    b.records.skip(shared.length);
  }
};

const current = (side: Side): FileRow | undefined => {
  if (side.row) return side.row;
  const { records } = side;
  side.length = records.length();
  if (side.length === 0) return undefined;
  const end = records.start + side.length - 1;
  const text = records.window.toString('utf8', records.start, end);
  // What is no UTF-8 is read as U+FFFD, which may also stand there by right.
  if (text.includes('\ufffd') && !isUtf8(records.window.subarray(records.start, end)))
    throw new FatalError(`${records.place()}: the record is not valid UTF-8`);
  side.row = rowOf(text, records.place);
  const { path } = side.row;
  if (side.previous !== undefined && comparePaths(side.previous, path) >= 0) {
    throw new FatalError(
      `${records.place()}: ${JSON.stringify(path)} stands after ${JSON.stringify(side.previous)}: rows must be sorted by the path's UTF-8 bytes, each path once`,
    );
  }
  side.previous = path;
  return side.row;
};

const advance = (side: Side): void => {
  side.records.skip(side.length);
  side.row = undefined;
};
