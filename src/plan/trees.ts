import { foldersAround, isFolder } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import type { Lives, Moved } from './lives.ts';
import type { Change } from './operation.ts';
import { beneathIn, comparePaths, diskName } from './paths.ts';

/** A whole folder that goes along in one operation, with the rows that it carries. */
export type MovedTree = { readonly folder: string; readonly to: string; readonly members: readonly Moved[] };
export type GoneTree = { readonly folder: string; readonly members: readonly FileRow[] };
export type Trees = { readonly moved: readonly MovedTree[]; readonly gone: readonly GoneTree[] };

/**
 * How many rows the file manager holds beneath a folder, the folder's own row included. Counting may stop at any number
 * above that of the changed rows there.
 */
export type FilesUnder = (folder: string) => number;

/** What the changes say about a folder. */
type Beneath = {
  /** Rows that the file manager has, and that leave their path. */
  readonly leaving: (folder: string) => number;
  readonly wanted: (folder: string) => number;
};

const beneathOf = (changes: readonly Change[], lives: Lives): Beneath => {
  const staying = new Set(lives.kept.map(({ have }) => have));
  for (const { over } of lives.created) if (over) staying.add(over);
  const carried = new Set(lives.moved.map(({ have }) => have));
  const sums = (counts: (change: Change) => boolean): number[] => {
    const all = [0];
    for (const change of changes) all.push((all.at(-1) as number) + (counts(change) ? 1 : 0));
    return all;
  };
  // A row whose place is taken by another's rename leaves no step that could vacate it first.
  const leaving = sums(({ have, want }) => have !== null && !staying.has(have) && (want === null || carried.has(have)));
  const wanted = sums(({ want }) => want !== null);
  const range = beneathIn(changes.map(({ path }) => path));
  const within =
    (totals: readonly number[]) =>
    (folder: string): number => {
      const [from, to] = range(folder);
      return (totals[to] as number) - (totals[from] as number);
    };
  return { leaving: within(leaving), wanted: within(wanted) };
};

/** Folder pairs that would explain a move: `d/e/x` to `f/e/x` may be `d/e/` to `f/e/`, or `d/` to `f/`. Outermost first. */
const explanations = ({ have, want }: Moved): (readonly [folder: string, to: string])[] =>
  foldersAround(have.path).flatMap((folder) => {
    const rest = have.path.slice(folder.length);
    const to = want.path.slice(0, want.path.length - rest.length);
    return want.path.endsWith(rest) && isFolder(to) && to !== folder ? [[folder, to] as const] : [];
  });

const lieWithinEachOther = (a: string, b: string): boolean => a !== b && (a.startsWith(b) || b.startsWith(a));

/** The folders around a path from `folder` on. */
const foldersFrom = (folder: string, path: string): string[] =>
  foldersAround(path).filter((around) => around.startsWith(folder));

const outermostFirst = (a: string, b: string): number => a.length - b.length || comparePaths(a, b);

/** For each folder the destination that most of its rows go to. */
const destinations = (moved: readonly Moved[]): Map<string, { to: string; members: Moved[] }> => {
  const byFolder = new Map<string, Map<string, Moved[]>>();
  for (const life of moved) {
    for (const [folder, to] of explanations(life)) {
      const known = byFolder.get(folder) ?? new Map<string, Moved[]>();
      byFolder.set(folder, known);
      const members = known.get(to);
      if (members) members.push(life);
      else known.set(to, [life]);
    }
  }
  const best = new Map<string, { to: string; members: Moved[] }>();
  for (const [folder, known] of byFolder) {
    const [first] = [...known].sort((a, b) => b[1].length - a[1].length || comparePaths(a[0], b[0]));
    if (first) best.set(folder, { to: first[0], members: first[1] });
  }
  return best;
};

/**
 * Folders that move or vanish as a whole, the outermost ones. `changes` are in path order.
 *
 * A folder moves as a whole when nothing stays behind in it and nothing stays where it goes: what goes elsewhere leaves
 * first, what is new beneath its new name comes after. A file that gets another key is moved by itself, since the outcome
 * of a whole folder says no keys. A folder is deleted as a whole when the bucket wants nothing beneath it: what moves out
 * leaves first.
 */
export const treesOf = (changes: readonly Change[], lives: Lives, filesUnder: FilesUnder): Trees => {
  const { leaving, wanted } = beneathOf(changes, lives);
  const emptied = (folder: string): boolean => filesUnder(folder) === leaving(folder);
  const moved: MovedTree[] = [];
  const used = new Set<FileRow>();
  /** Folders that a whole folder takes along, itself included: what is in them cannot go anywhere else as a whole. */
  const carried = new Set<string>();
  /** Places of whole folders, and every folder that one of them brings along: another whole folder cannot go there. */
  const places = new Set<string>();
  const filled = new Set<string>();
  const best = destinations(lives.moved.filter(({ have, want }) => have.key === want.key));
  for (const folder of [...best.keys()].sort(outermostFirst)) {
    const { to, members } = best.get(folder) as { to: string; members: Moved[] };
    if (members.length < 2 && members[0]?.have.path !== folder) continue;
    if (carried.has(folder) || lieWithinEachOther(diskName(folder), diskName(to))) continue;
    if (!emptied(folder) || !emptied(to)) continue;
    const brought = new Set(members.flatMap(({ want }) => foldersFrom(to, want.path).map(diskName)));
    if (filled.has(diskName(to)) || [...brought].some((place) => places.has(place))) continue;
    places.add(diskName(to));
    for (const place of brought) filled.add(place);
    for (const { have } of members) {
      used.add(have);
      for (const around of foldersFrom(folder, have.path)) carried.add(around);
    }
    moved.push({ folder, to, members });
  }

  const vanishing = new Map<string, boolean>();
  const vanishes = (folder: string): boolean => {
    const known = vanishing.get(folder) ?? (wanted(folder) === 0 && emptied(folder));
    vanishing.set(folder, known);
    return known;
  };
  const byFolder = new Map<string, FileRow[]>();
  for (const have of [...lives.gone, ...lives.moved.flatMap(droppedMarker(used))]) {
    // What a moving folder must not take along is deleted inside of it, before it moves.
    const around = foldersAround(have.path);
    const folder = around.slice(around.findLastIndex((outer) => carried.has(outer)) + 1).find(vanishes);
    if (folder === undefined) continue;
    const members = byFolder.get(folder);
    if (members) members.push(have);
    else byFolder.set(folder, [have]);
  }
  const gone = [...byFolder]
    .filter(([, members]) => members.length > 1)
    .map(([folder, members]): GoneTree => ({ folder, members }))
    .sort((a, b) => comparePaths(a.folder, b.folder));
  return { moved, gone };
};

/** A folder's own row that does not go along with a whole folder: it is made anew there, and deleted here. */
const droppedMarker =
  (used: ReadonlySet<FileRow>) =>
  ({ have }: Moved): FileRow[] =>
    isFolder(have.path) && !used.has(have) ? [have] : [];
