import { isFolder } from '../../events/event.ts';
import { type FileRow, sameContent, samePermissions } from '../../projections/rows.ts';
import { type Draft, deleteDraft, saveDraft, settleDrafts } from './drafts.ts';
import { contentKey } from './lives.ts';
import type { Change, Operation, Unplaceable } from './operation.ts';
import { withId } from './operation-id.ts';
import { diskName, foldersAround } from './paths.ts';
import { planChanges } from './plan.ts';

/** Hands every change to `onChange`, in path order; may be called more than once. */
export type Walk = (onChange: (change: Change) => void) => void;

/** Takes operations in their order; `clear` says that those so far are not the ones after all. */
export type Operations = { add(operation: Operation): void; clear(): void };

/**
 * The operations of `planChanges` for a diff of any size. Most changes leave a file where it is: no other operation waits
 * for these, and they wait for none, so each is settled as it comes by and only the others are kept in memory. Where the
 * two may touch each other after all (a file beside a folder of its name, a whole folder's permissions, content that a
 * rename may bring), everything is planned together. Returns what cannot be placed.
 */
export const planDiff = (walk: Walk, operations: Operations): readonly Unplaceable[] => {
  const add = (draft: Draft): void => operations.add(withId(draft.operation));
  let rest: Change[] = [];
  const kept: Kept = { places: new Set(), contents: new Set(), folders: createFolders() };
  walk((change) => {
    const { have, want } = change;
    if (!have || !want || have.file_id !== want.file_id || isFolder(change.path)) rest.push(change);
    else {
      for (const draft of settleDrafts(have, want)) add(draft);
      kept.places.add(change.path);
      kept.folders.add(change.path);
      const content = sameContent(have, want) ? undefined : contentKey(want);
      if (content !== undefined) kept.contents.add(content);
    }
  });
  if (rest.some((change) => touches(change, kept))) {
    operations.clear();
    rest = [];
    walk((change) => rest.push(change));
    const { steps, unplaceable } = planChanges(rest);
    for (const { operation } of steps) operations.add(operation);
    return unplaceable;
  }
  const { created, gone, others } = alone(rest);
  for (const row of created) add(saveDraft(row, null, 0));
  const { steps, unplaceable } = planChanges(others);
  for (const { operation } of steps) operations.add(operation);
  for (const row of gone) add(deleteDraft(row));
  return unplaceable;
};

/** What lies on one side of the changes that are not settled yet. */
const createSide = (rows: readonly FileRow[]) => {
  const files = new Set<number>();
  const contents = new Set<string>();
  const places = new Set<string>();
  const folders = createFolders();
  for (const row of rows) {
    files.add(row.file_id);
    const content = contentKey(row);
    if (content !== undefined) contents.add(content);
    const place = diskName(row.path);
    places.add(place);
    folders.add(place);
  }
  return {
    /** Whether this row may be the other end of a rename. */
    matches: (row: FileRow): boolean => files.has(row.file_id) || contents.has(contentKey(row) ?? ''),
    isAt: ({ path }: FileRow): boolean => places.has(diskName(path)),
    /** Whether something here is a file where the row needs a folder, or lies beneath where it needs a file. */
    isNear: ({ path }: FileRow): boolean => {
      const place = diskName(path);
      return folders.has(`${place}/`) || foldersAround(place).some((folder) => places.has(folder.slice(0, -1)));
    },
  };
};

/**
 * Takes out the files that came and those that went that no other change has to do with: nothing on the other side could
 * be the other end of their rename, or is in their way.
 */
const alone = (changes: readonly Change[]) => {
  const having = createSide(changes.flatMap(({ have }) => have ?? []));
  const wanting = createSide(changes.flatMap(({ want }) => want ?? []));
  const created: FileRow[] = [];
  const gone: FileRow[] = [];
  const others: Change[] = [];
  for (const change of changes) {
    const { path, have, want } = change;
    if (isFolder(path)) others.push(change);
    // Of two that are wanted, one beneath the other, one cannot be placed: they are looked at together.
    else if (!have && !having.matches(want) && !having.isAt(want) && !having.isNear(want) && !wanting.isNear(want))
      created.push(want);
    else if (!want && !wanting.matches(have) && !wanting.isAt(have) && !wanting.isNear(have)) gone.push(have);
    else others.push(change);
  }
  return { created, gone, others };
};

type Folders = { add(path: string): void; has(folder: string): boolean };

/** The folders around paths that come in path order: most share theirs with the path before. */
const createFolders = (): Folders => {
  const known = new Set<string>();
  let last = '';
  return {
    add: (path) => {
      const folder = path.slice(0, path.lastIndexOf('/') + 1);
      if (folder === last) return;
      last = folder;
      for (const around of foldersAround(folder)) known.add(around);
    },
    has: (folder) => known.has(folder),
  };
};

type Kept = { readonly places: Set<string>; readonly contents: Set<string>; readonly folders: Folders };

const touches = ({ have, want, path }: Change, { places, contents, folders }: Kept): boolean => {
  // The same content in place may be what a rename brings, or makes one rename of several possible ones a tie.
  if ([have, want].some((row) => row && contents.has(contentKey(row) ?? ''))) return true;
  if (!want) return false;
  if (isFolder(path)) return have !== null && !samePermissions(have, want);
  return folders.has(`${path}/`) || foldersAround(path).some((folder) => places.has(folder.slice(0, -1)));
};
