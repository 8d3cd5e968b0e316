import { isFolder } from '../../events/event.ts';
import { sameContent, samePermissions } from '../../projections/rows.ts';
import { settleDrafts } from './drafts.ts';
import { contentKey } from './lives.ts';
import type { Change, Operation, Unplaceable } from './operation.ts';
import { withId } from './operation-id.ts';
import { foldersAround } from './paths.ts';
import { planChanges } from './plan.ts';

/** Hands every change to `onChange`, in path order; may be called more than once. */
export type Walk = (onChange: (change: Change) => void) => void;

/**
 * The operations of `planChanges` for a diff of any size. Most changes leave a file where it is: no other operation waits
 * for these, and they wait for none, so each is settled as it comes by and only the others are kept in memory. Where the
 * two may touch each other after all (a file beside a folder of its name, a whole folder's permissions, content that a
 * rename may bring), everything is planned together.
 */
export const planDiff = (walk: Walk): { operations: readonly Operation[]; unplaceable: readonly Unplaceable[] } => {
  const settled: Operation[] = [];
  const rest: Change[] = [];
  const kept: Kept = { places: new Set(), contents: new Set(), folders: createFolders() };
  walk((change) => {
    const { have, want } = change;
    if (!have || !want || have.file_id !== want.file_id || isFolder(change.path)) rest.push(change);
    else {
      for (const draft of settleDrafts(have, want)) settled.push(withId(draft.operation));
      kept.places.add(change.path);
      kept.folders.add(change.path);
      const content = sameContent(have, want) ? undefined : contentKey(want);
      if (content !== undefined) kept.contents.add(content);
    }
  });
  if (rest.some((change) => touches(change, kept))) {
    rest.length = 0;
    walk((change) => rest.push(change));
    settled.length = 0;
  }
  const { steps, unplaceable } = planChanges(rest);
  return { operations: [...settled, ...steps.map(({ operation }) => operation)], unplaceable };
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
