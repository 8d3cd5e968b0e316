import { isFolder } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import type { Change, Unplaceable } from './operation.ts';

/**
 * A bucket can hold `a` beside `a/b`, a disk cannot. The file gives way to the folder: it is reported with its reason,
 * and carried over once nothing lies beneath its name. Everything else goes on.
 */
export const placeable = (changes: readonly Change[]): { changes: readonly Change[]; unplaceable: Unplaceable[] } => {
  const folders = new Map<string, string>();
  let around = '';
  for (const { want } of changes) {
    if (!want) continue;
    // In path order most paths share their folder with the one before, whose folders are all known.
    const folder = want.path.slice(0, want.path.lastIndexOf('/') + 1);
    if (folder === around) continue;
    around = folder;
    for (let slash = want.path.indexOf('/'); slash !== -1; slash = want.path.indexOf('/', slash + 1)) {
      if (!folders.has(want.path.slice(0, slash))) folders.set(want.path.slice(0, slash), want.path);
    }
  }
  const unplaceable: Unplaceable[] = [];
  const fitting: Change[] = [];
  for (const change of changes) {
    const inTheWay = change.want && !isFolder(change.path) ? folders.get(change.path) : undefined;
    if (inTheWay === undefined) fitting.push(change);
    else {
      unplaceable.push({ path: change.path, reason: reasonFor(change.path, inTheWay) });
      if (change.have) fitting.push({ path: change.path, have: change.have, want: null });
    }
  }
  return { changes: fitting, unplaceable };
};

const reasonFor = (path: string, inTheWay: string): string =>
  `a disk cannot hold the file ${JSON.stringify(path)} beside ${JSON.stringify(inTheWay)}: rename one of them in the bucket`;

/** The rows of a table beneath whose own name other rows lie: for callers that can ask the whole table. */
export const blockedRow = (row: FileRow, beneath: string): Unplaceable => ({
  path: row.path,
  reason: reasonFor(row.path, beneath),
});
