import { isFolder } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import type { Life } from './lives.ts';

type Moved = Extract<Life, { kind: 'moved' }>;
type Gone = Extract<Life, { kind: 'gone' }>;

/** A whole folder that goes along in one operation. */
export type Tree =
  | { readonly kind: 'moved'; readonly folder: string; readonly to: string; readonly lives: readonly Moved[] }
  | { readonly kind: 'gone'; readonly folder: string; readonly lives: readonly Gone[] };

export type TreeFacts = {
  /** How many rows the file manager holds beneath a folder, the folder's own row included. */
  readonly filesUnder: (folder: string) => number;
  /** Whether the bucket holds anything beneath a folder, the folder's own marker included. */
  readonly wantsUnder: (folder: string) => boolean;
};

const foldersAround = (path: string): string[] => {
  const folders: string[] = [];
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1))
    folders.push(path.slice(0, slash + 1));
  return folders;
};

const grouped = <L>(lives: readonly L[], keysOf: (life: L) => readonly string[]): Map<string, L[]> => {
  const groups = new Map<string, L[]>();
  for (const life of lives) {
    for (const key of keysOf(life)) {
      const group = groups.get(key);
      if (group) group.push(life);
      else groups.set(key, [life]);
    }
  }
  return groups;
};

/** Folder pairs that would explain a move: `d/e/x` to `f/e/x` may be `d/e/` to `f/e/`, or `d/` to `f/`. */
const explanations = ({ have, want }: Moved): string[] =>
  foldersAround(have.path).flatMap((folder) => {
    const rest = have.path.slice(folder.length);
    const to = want.path.slice(0, want.path.length - rest.length);
    const whole =
      want.path.endsWith(rest) && isFolder(to) && to !== folder && !to.startsWith(folder) && !folder.startsWith(to);
    return whole ? [`${folder}\n${to}`] : [];
  });

/**
 * Folders that move or vanish as a whole, the outermost ones, when everything the file manager holds beneath goes along
 * and, for a move, the destination is empty.
 */
export const treesOf = (lives: readonly Life[], facts: TreeFacts): Tree[] => {
  const trees: Tree[] = [];
  const used = new Set<FileRow>();
  const free = (rows: readonly { readonly have: FileRow }[]): boolean => rows.every(({ have }) => !used.has(have));
  const use = (rows: readonly { readonly have: FileRow }[]): void => {
    for (const { have } of rows) used.add(have);
  };
  const moved = lives.filter((life): life is Moved => life.kind === 'moved');
  const byPair = [...grouped(moved, explanations)].sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
  for (const [pair, group] of byPair) {
    const [folder, to] = pair.split('\n') as [string, string];
    if (group.length > 1 && free(group) && facts.filesUnder(folder) === group.length && facts.filesUnder(to) === 0) {
      trees.push({ kind: 'moved', folder, to, lives: group });
      use(group);
    }
  }
  const gone = lives.filter((life): life is Gone => life.kind === 'gone');
  const byFolder = [...grouped(gone, ({ have }) => foldersAround(have.path))].sort(
    ([a], [b]) => a.length - b.length || (a < b ? -1 : 1),
  );
  for (const [folder, group] of byFolder) {
    if (group.length > 1 && free(group) && facts.filesUnder(folder) === group.length && !facts.wantsUnder(folder)) {
      trees.push({ kind: 'gone', folder, lives: group });
      use(group);
    }
  }
  return trees;
};
