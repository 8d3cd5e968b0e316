import { foldersAround, isFolder } from '../../events/event.ts';
import { type FileRow, sameContent, samePermissions } from '../../projections/rows.ts';
import { edgesOf } from './claims.ts';
import {
  type Draft,
  deleteDraft,
  folderPermissionsDraft,
  followUps,
  goneTreeDraft,
  halvesOf,
  moveDraft,
  movedTreeDraft,
  saveDraft,
  settleDrafts,
} from './drafts.ts';
import { type FolderPermissions, folderPermissionsOf } from './folder-permissions.ts';
import { type Lives, livesOf, type Moved, withoutNeedlessMoves } from './lives.ts';
import type { Change, Plan, Step, Unplaceable } from './operation.ts';
import { planId, withId } from './operation-id.ts';
import { stepsAside, topological } from './order.ts';
import { comparePaths } from './paths.ts';
import { placeable } from './placeable.ts';
import { type FilesUnder, type MovedTree, type Trees, treesOf } from './trees.ts';

export type PlanOptions = {
  /**
   * `folders`: the file manager renames, moves and deletes a whole folder in one call. `folder-permissions`: it can set a
   * folder's permissions without those of what is beneath.
   */
  readonly capabilities?: readonly string[];
  /**
   * How many rows the mirror holds beneath a folder, the folder's own row included. Counting may stop at any number above
   * that of the changed rows there. Without it no whole folder moves or goes, and what did not change is taken to be nowhere.
   */
  readonly filesUnder?: FilesUnder;
  /** Offset at which the file manager confirmed that nothing is at a path any more; 0 where it never held anything. */
  readonly vacatedAt?: (path: string) => number;
  /** Files of the bucket that cannot be placed beside rows that did not change: among the changes they are wanted no more. */
  readonly blocked?: readonly Unplaceable[];
  /** Paths of files that are not taken for renamed because of their content: a rename would not read their permissions. */
  readonly unpaired?: ReadonlySet<string>;
  /** Rows that may be among those that did not change, for callers that have no `blocked`: some cannot be placed beside what changed. */
  readonly beside?: readonly FileRow[];
};

/**
 * Plans the operations that turn what the file manager has into what the bucket holds: for any two states A and B that a
 * disk can hold, applying the plan to A, in any order that respects `after`, yields B. Pure and deterministic; the order of
 * `changes` does not matter.
 *
 * What was carried out before a step failed is safe: each step leaves every file that is still needed under some path, and
 * the next plan, made from the outcomes, goes on from there (a file under a temporary name keeps its `file_id`).
 */
export const planChanges = (changes: readonly Change[], options: PlanOptions = {}): Plan => {
  const { changes: placed, unplaceable: unfitting } = placeable(withBeside(changes.filter(matters), options.beside));
  const fitting = placed.filter(matters);
  const unplaceable = [...(options.blocked ?? []), ...unfitting];
  const inTheWay = new Map(unplaceable.map(({ path, reason }) => [path, reason]));
  const lives = livesOf(fitting, options.unpaired);
  const { filesUnder, vacatedAt = () => 0 } = options;
  const offsets = new Map(fitting.flatMap(({ path, have }) => (have ? [[path, have.offset] as const] : [])));
  /** The last state that each path had so far: whatever comes there next comes after it. */
  const lastAt = (path: string): number => offsets.get(path) ?? vacatedAt(path);
  const wholeFolders = filesUnder !== undefined && options.capabilities?.includes('folders');
  const trees = wholeFolders ? treesOf(fitting, lives, filesUnder) : { moved: [], gone: [] };
  const canAlone = options.capabilities?.includes('folder-permissions') === true;
  const folders = folderPermissionsOf(lives, trees, filesUnder, canAlone);
  const drafts = [
    ...trees.gone.map(goneTreeDraft),
    ...movedDrafts(trees, folders, lastAt),
    ...lives.kept.flatMap(({ have, want }) => (folders.covered.has(have) ? [] : settleDrafts(have, want))),
    ...singleDrafts(lives, trees, inTheWay, { vacatedAt, lastAt }),
  ];
  const steps = arranged(drafts);
  return {
    id: planId(steps.map(({ operation }) => operation)),
    steps,
    unplaceable: [...unplaceable, ...folders.unplaceable].sort((a, b) => comparePaths(a.path, b.path)),
  };
};

/** The files that a plan of these changes alone takes to another path. */
export const renamesOf = (changes: readonly Change[], unpaired: ReadonlySet<string>): readonly Moved[] => {
  // Of very many files that are wanted and nowhere, none needs to be looked at.
  if (!changes.some(({ have, want }) => have && have.file_id !== want?.file_id)) return [];
  return livesOf(placeable(inPathOrder(changes.filter(matters))).changes, unpaired).moved;
};

/**
 * A row whose two sides hold the same is no change, whatever else differs (a full diff shows identities and times too): the
 * plan is the same as the one made from the changed rows alone.
 */
const matters = ({ have, want }: Change): boolean =>
  have === null || want === null || !sameContent(have, want) || !samePermissions(have, want);

const withBeside = (changes: readonly Change[], beside: readonly FileRow[] = []): readonly Change[] => {
  if (beside.length === 0) return inPathOrder(changes);
  const byPath = new Map(changes.map((change) => [change.path, change]));
  for (const row of beside) if (!byPath.has(row.path)) byPath.set(row.path, { path: row.path, have: row, want: row });
  return inPathOrder([...byPath.values()]);
};

const inPathOrder = (changes: readonly Change[]): readonly Change[] => {
  const ordered = changes.every(
    (change, at) => at === 0 || comparePaths((changes[at - 1] as Change).path, change.path) < 0,
  );
  return ordered ? changes : [...changes].sort((a, b) => comparePaths(a.path, b.path));
};

/** Whole folders that move, what is left to do for what they take along, and the permissions of folders. */
const movedDrafts = (
  trees: Trees,
  { whole, alone, covered }: FolderPermissions,
  lastAt: (path: string) => number,
): Draft[] => {
  const movers = new Map(trees.moved.map((tree) => [tree, movedTreeDraft(tree, lastAt)]));
  const moverOf = (tree: MovedTree | undefined): Draft | undefined => tree && movers.get(tree);
  return [
    ...[...movers].flatMap(([{ members }, mover]) => [
      mover,
      ...members.filter(({ have }) => !covered.has(have)).flatMap((member) => followUps(member, mover)),
    ]),
    ...whole.map(({ life, tree }) => folderPermissionsDraft(life, false, moverOf(tree))),
    ...alone.map(({ life, tree }) => folderPermissionsDraft(life, true, moverOf(tree))),
  ];
};

/** Everything that no whole folder takes along. */
const singleDrafts = (
  lives: Lives,
  trees: Trees,
  inTheWay: ReadonlyMap<string, string>,
  { vacatedAt, lastAt }: Record<'vacatedAt' | 'lastAt', (path: string) => number>,
): Draft[] => {
  const carried = new Set(trees.moved.flatMap(({ members }) => members.map(({ have }) => have)));
  const removed = new Set(trees.gone.flatMap(({ members }) => members));
  const alone = lives.moved.filter(({ have }) => !carried.has(have));
  const treePlaces = new Set(trees.moved.flatMap(({ folder, to }) => [folder, to]));
  // A folder's own row cannot be renamed without what is beneath: it is made anew, and taken off the old folder.
  const remade = alone.filter(({ have }) => isFolder(have.path));
  const { moving, rewritten } = withoutNeedlessMoves(
    alone.filter(({ have }) => !isFolder(have.path)),
    (path) => foldersAround(path).some((folder) => treePlaces.has(folder)),
  );
  return [
    ...[...lives.gone, ...remade.map(({ have }) => have)]
      .filter((have) => !removed.has(have))
      .map((have) => deleteDraft(have, inTheWay.get(have.path))),
    ...[...remade, ...rewritten].map(({ want }) => saveDraft(want, null, vacatedAt(want.path), lastAt(want.path))),
    ...lives.created.map(({ want, over }) => saveDraft(want, over, vacatedAt(want.path), lastAt(want.path))),
    ...moving.flatMap((life) => {
      const mover = moveDraft(life, lastAt(life.want.path));
      return [mover, ...followUps(life, mover)];
    }),
  ];
};

/** Sorts the drafts into steps, each after what it waits for; what closes a cycle goes through a temporary name. */
const arranged = (drafts: readonly Draft[]): Step[] => {
  const edges = edgesOf(drafts.map(({ claim }) => claim));
  const aside = stepsAside(edges);
  const parts: Draft[] = [...drafts];
  const leaving = drafts.map((_, index) => index);
  for (const index of aside) {
    const [first, rest] = halvesOf(drafts[index] as Draft);
    leaving[index] = parts.push(first) - 1;
    parts[index] = rest;
  }
  const indexOf = new Map(drafts.map((draft, index) => [draft, index]));
  const after = parts.map((): Set<number> => new Set());
  edges.forEach((list, index) => {
    const left = leaving[index] as number;
    for (const { on, until, own } of list)
      after[own ? left : index]?.add(until === 'vacated' ? (leaving[on] as number) : on);
    if (left !== index) after[index]?.add(left);
  });
  drafts.forEach(({ follows }, index) => {
    if (follows) after[index]?.add(indexOf.get(follows) as number);
  });
  const earlier = after.map((set) => [...set]);
  const order = topological(earlier, ranksOf(parts, earlier));
  const position = new Array<number>(order.length);
  order.forEach((index, at) => {
    position[index] = at;
  });
  return order.map((index): Step => {
    const { operation, result, why, files } = parts[index] as Draft;
    const waitsFor = (earlier[index] as number[]).map((other) => position[other] as number).sort((a, b) => a - b);
    return {
      operation: withId(operation),
      after: waitsFor,
      why,
      result,
      ...(files !== undefined && { files }),
    };
  });
};

/** Path order; deletes that nothing waits for come last. */
const ranksOf = (parts: readonly Draft[], earlier: readonly (readonly number[])[]): number[] => {
  const awaited = new Set(earlier.flat());
  const isLast = parts.map(({ operation }, index) => operation.kind === 'delete' && !awaited.has(index));
  const order = parts
    .map((_, index) => index)
    .sort(
      (a, b) =>
        Number(isLast[a]) - Number(isLast[b]) ||
        comparePaths((parts[a] as Draft).operation.path, (parts[b] as Draft).operation.path) ||
        a - b,
    );
  const ranks = new Array<number>(parts.length);
  order.forEach((index, rank) => {
    ranks[index] = rank;
  });
  return ranks;
};
