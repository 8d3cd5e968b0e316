import { isFolder } from '../../events/event.ts';
import { bufferOf, indexOfByte, sharedLength, viewOf } from '../../projections/four-bytes.ts';
import type { FileRow } from '../../projections/rows.ts';
import { compareToPath, createEntry, type Entry, readEntry, rowOfEntry } from './entry.ts';
import { openRecords, type Records } from './records.ts';

const [newlines, quote, slash] = [0x0a0a0a0a, 0x22, 0x2f] as const;
/** So many records that begin with a file's name are looked at where they stand. */
const lookedAtMost = 8;

/** Takes a name of which it is to be looked up whether a file has it, or (it ends in `/`) whether anything lies beneath it. */
export type OnDoubt = (name: string) => void;

/** A path that came, the path before it in the same snapshot, and where both stand. */
export type Arrival = {
  readonly records: Records;
  readonly entry: Entry;
  readonly before: DataView | undefined;
  readonly beforeFrom: number;
  readonly beforeTo: number;
};

/**
 * Tells what could stand in the way of a path that came, among the rows that both sides share and nobody reads: a file that
 * has the name of its folder, or what lies beneath its own name.
 *
 * A disk held the old snapshot, so that no file in it has the name of a folder in it. Where the path before lies in the
 * folder, either the old snapshot had that folder, or its name was doubted when the first path came there.
 */
export const tellDoubts = ({ records, entry, before, beforeFrom, beforeTo }: Arrival, onDoubt: OnDoubt): void => {
  const { path, pathFrom, pathTo } = entry;
  const length = pathTo - pathFrom;
  const textOf = (most: number): string => bufferOf(path, pathFrom, pathFrom + most).toString('utf8');
  if (before) {
    // A name that the path lies beneath stands before it, and all in between begins with that name too.
    const most = Math.min(beforeTo - beforeFrom, length);
    const shared = sharedLength(before, beforeFrom, path, pathFrom, most);
    if (shared > 0 && shared < length && path.getUint8(pathFrom + shared) === slash) onDoubt(textOf(shared));
  }
  if (path.getUint8(pathTo - 1) !== slash && mayLieBeneath(entry, records)) onDoubt(`${textOf(length)}/`);
};

/** Whether something may lie beneath a file's name: it would come after it, and all in between begins with that name too. */
const mayLieBeneath = ({ path, pathFrom, pathTo, start, length }: Entry, records: Records): boolean => {
  const { view, end } = records;
  const name = pathTo - pathFrom;
  let at = start + length;
  for (let looked = 0; looked < lookedAtMost; looked += 1) {
    if (at + name >= end) return records.isLow();
    if (view.getUint8(at) === quote) return true;
    if (sharedLength(view, at, path, pathFrom, name) < name) return false;
    if (view.getUint8(at + name) === slash) return true;
    const next = indexOfByte(view, newlines, at, end) + 1;
    if (records.nextQuote() < next) return true;
    at = next;
  }
  return true;
};

/** The rows of a snapshot that have a doubted name, or are the first beneath one. Reads the snapshot once, record by record. */
const rowsOfDoubts = (snapshot: string, names: readonly string[]): FileRow[] => {
  const keys = names.map((name) => Buffer.from(name)).sort(Buffer.compare);
  const found: FileRow[] = [];
  if (keys.length === 0) return found;
  const records = openRecords(snapshot);
  const entry = createEntry();
  let next = 0;
  try {
    for (; next < keys.length && records.start < records.end; records.fill()) {
      readEntry(entry, records.view, records.start, records.end, records.place);
      for (; next < keys.length; next += 1) {
        const key = viewOf(keys[next] as Buffer);
        const order = compareToPath(key, 0, key.byteLength, entry);
        if (order > 0) break;
        if (order === 0 || isBeneath(entry, key)) found.push(rowOfEntry(entry));
      }
      records.skip(entry.length);
    }
    return found;
  } finally {
    records.close();
  }
};

const isBeneath = ({ path, pathFrom, pathTo }: Entry, key: DataView): boolean => {
  const length = key.byteLength;
  return (
    key.getUint8(length - 1) === slash &&
    pathTo - pathFrom > length &&
    sharedLength(key, 0, path, pathFrom, length) === length
  );
};

/**
 * What both snapshots hold of doubted names. The rows are the old one's where they matter: a file gives way as the row that
 * the file manager has. Of what lies beneath a name, any row that the new one holds is enough.
 */
export const besideIn =
  (oldPath: string, newPath: string) =>
  (names: readonly string[]): FileRow[] => [
    ...rowsOfDoubts(
      oldPath,
      names.filter((name) => !isFolder(name)),
    ),
    ...rowsOfDoubts(newPath, names.filter(isFolder)),
  ];
