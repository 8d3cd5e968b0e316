import { foldersAround, isFolder } from '../../events/event.ts';
import { type FileRow, samePermissions } from '../../projections/rows.ts';
import { type Lives, type Moved, sameBytes } from './lives.ts';
import type { Unplaceable } from './operation.ts';
import type { FilesUnder, MovedTree, Trees } from './trees.ts';

/** A folder of its own that stays, or that a whole folder takes along. */
export type FolderLife = { readonly life: Moved; readonly tree: MovedTree | undefined };

/**
 * Permissions of folders. Where all that is beneath gets the same ones in the same cycle, one operation sets them for all.
 * Otherwise they are set for the folder alone, by a file manager that can; by one that sets a folder's permissions only
 * together with all beneath, the folder is reported, and the files beneath keep what the bucket says of them.
 */
export type FolderPermissions = {
  readonly whole: readonly FolderLife[];
  /** Folders whose permissions are set without those of what is beneath. */
  readonly alone: readonly FolderLife[];
  /** Rows whose permissions a whole folder's operation sets along. */
  readonly covered: ReadonlySet<FileRow>;
  readonly unplaceable: readonly Unplaceable[];
};

type Changing = FolderLife & { readonly members: Moved[]; isDisturbed: boolean };

export const folderPermissionsOf = (
  lives: Lives,
  trees: Trees,
  filesUnder: FilesUnder | undefined,
  canAlone: boolean,
): FolderPermissions => {
  const treeOf = new Map(trees.moved.flatMap((tree) => tree.members.map((life) => [life, tree] as const)));
  const settled = [...lives.kept, ...treeOf.keys()];
  const changing = settled.filter(({ have, want }) => isFolder(want.path) && !samePermissions(have, want));
  if (changing.length === 0) return { whole: [], alone: [], covered: new Set(), unplaceable: [] };
  const folders = new Map(
    changing.map((life) => [
      life.want.path,
      { life, tree: treeOf.get(life), members: [], isDisturbed: false } as Changing,
    ]),
  );
  for (const life of settled) {
    for (const around of foldersAround(life.want.path)) {
      const folder = folders.get(around);
      if (!folder) continue;
      folder.members.push(life);
      const isAlike = life.want.permissions === folder.life.want.permissions && sameBytes(life.have, life.want);
      if (!isAlike || treeOf.get(life) !== folder.tree) folder.isDisturbed = true;
    }
  }
  const arriving = lives.moved.filter((life) => !treeOf.has(life));
  for (const { want } of [...lives.created, ...arriving]) {
    for (const around of foldersAround(want.path)) {
      const folder = folders.get(around);
      if (folder) folder.isDisturbed = true;
    }
  }
  // Where a whole folder goes nothing else stays, so that all beneath is among the changes.
  const isComplete = ({ life, tree, members }: Changing): boolean =>
    tree !== undefined || filesUnder === undefined || filesUnder(life.want.path) === members.length;
  const whole: FolderLife[] = [];
  const alone: FolderLife[] = [];
  const covered = new Set<FileRow>();
  const unplaceable: Unplaceable[] = [];
  for (const [path, folder] of [...folders].sort(([a], [b]) => a.length - b.length)) {
    const { life, members, isDisturbed } = folder;
    if (covered.has(life.have)) continue;
    if (!isDisturbed && isComplete(folder)) {
      whole.push(folder);
      for (const { have } of members) covered.add(have);
    } else if (canAlone) alone.push(folder);
    else {
      unplaceable.push({
        path,
        reason: `the permissions ${life.want.permissions} of this folder alone cannot be set: the file manager would give them to all beneath it`,
      });
    }
  }
  return { whole, alone, covered, unplaceable };
};
