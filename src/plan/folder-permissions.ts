import { isFolder } from '../../events/event.ts';
import { type FileRow, samePermissions } from '../../projections/rows.ts';
import { type Lives, type Moved, sameBytes } from './lives.ts';
import type { Unplaceable } from './operation.ts';
import { foldersAround } from './paths.ts';
import type { FilesUnder } from './trees.ts';

/**
 * Permissions of folders. Where all that is beneath gets the same ones in the same cycle, one operation sets them for all.
 * Otherwise they are set for the folder alone, by a file manager that can; by one that sets a folder's permissions only
 * together with all beneath, the folder is reported, and the files beneath keep what the bucket says of them.
 */
export type FolderPermissions = {
  readonly whole: readonly Moved[];
  /** Folders whose permissions are set without those of what is beneath. */
  readonly alone: readonly Moved[];
  /** Rows whose permissions a whole folder's operation sets along. */
  readonly covered: ReadonlySet<FileRow>;
  readonly unplaceable: readonly Unplaceable[];
};

export const folderPermissionsOf = (
  lives: Lives,
  filesUnder: FilesUnder | undefined,
  canAlone: boolean,
): FolderPermissions => {
  const changing = lives.kept.filter(({ have, want }) => isFolder(have.path) && !samePermissions(have, want));
  if (changing.length === 0) return { whole: [], alone: [], covered: new Set(), unplaceable: [] };
  const folders = new Map(changing.map((life) => [life.have.path, { life, members: [] as Moved[], disturbed: false }]));
  for (const life of lives.kept) {
    for (const around of foldersAround(life.have.path)) {
      const folder = folders.get(around);
      if (!folder) continue;
      folder.members.push(life);
      const alike = life.want.permissions === folder.life.want.permissions && sameBytes(life.have, life.want);
      if (!alike) folder.disturbed = true;
    }
  }
  for (const { path } of [...lives.created.map(({ want }) => want), ...lives.moved.map(({ want }) => want)]) {
    for (const around of foldersAround(path)) {
      const folder = folders.get(around);
      if (folder) folder.disturbed = true;
    }
  }
  const whole: Moved[] = [];
  const alone: Moved[] = [];
  const covered = new Set<FileRow>();
  const unplaceable: Unplaceable[] = [];
  for (const [path, { life, members, disturbed }] of [...folders].sort(([a], [b]) => a.length - b.length)) {
    if (covered.has(life.have)) continue;
    if (!disturbed && (filesUnder === undefined || filesUnder(path) === members.length)) {
      whole.push(life);
      for (const { have } of members) covered.add(have);
    } else if (canAlone) alone.push(life);
    else {
      unplaceable.push({
        path,
        reason: `the permissions ${life.want.permissions} of this folder alone cannot be set: the file manager would give them to all beneath it`,
      });
    }
  }
  return { whole, alone, covered, unplaceable };
};
