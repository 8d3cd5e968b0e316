import { foldersAround } from '../../events/event.ts';
import { contentKey } from '../plan/lives.ts';
import type { Change } from '../plan/operation.ts';
import { diskName } from '../plan/paths.ts';

/** The names that the files and the folders around them have on a disk. */
const namesOf = (changes: readonly Change[]): { files: ReadonlySet<string>; folders: ReadonlySet<string> } => {
  const files = new Set<string>();
  const folders = new Set<string>();
  for (const { want } of changes) {
    if (!want) continue;
    for (const folder of foldersAround(want.path)) folders.add(diskName(folder.slice(0, -1)));
    if (!want.path.endsWith('/')) files.add(diskName(want.path));
  }
  return { files, folders };
};

/**
 * The changes without the deletes of files whose content is that of an object about which the bucket has no answer: until
 * that one is carried over, theirs may be the last copy of it. A file that is in the way of another one goes all the same.
 */
export const keepSources = (changes: readonly Change[], unanswered: ReadonlySet<string>): readonly Change[] => {
  const open = changes.flatMap(({ want }) => (want && unanswered.has(want.path) ? [want] : []));
  const contents = new Set(open.map(contentKey));
  if (open.length === 0) return changes;
  const { files, folders } = namesOf(changes);
  const wanted = new Set(changes.map(({ want }) => want?.file_id));
  const isInTheWay = (path: string): boolean =>
    files.has(diskName(path)) ||
    folders.has(diskName(path)) ||
    foldersAround(path).some((folder) => files.has(diskName(folder.slice(0, -1))));
  const isKept = ({ path, have, want }: Change): boolean => {
    if (want || wanted.has(have.file_id) || isInTheWay(path)) return false;
    const content = contentKey(have);
    return content !== undefined && contents.has(content);
  };
  return changes.filter((change) => !isKept(change));
};
