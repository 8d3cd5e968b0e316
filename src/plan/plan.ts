import { isFolder } from '../../events/event.ts';
import { type FileRow, sameContent, samePermissions } from '../../projections/rows.ts';
import { type Life, livesOf } from './lives.ts';
import type { Change, Operation, Plan, Step, Unplaceable } from './operation.ts';
import { planId, temporaryPath, withId } from './operation-id.ts';
import { type Claim, prerequisites, sorted } from './order.ts';
import { placeable } from './placeable.ts';
import { type Tree, type TreeFacts, treesOf } from './trees.ts';

export type PlanOptions = Partial<TreeFacts> & {
  /** `folders`: the file manager renames, moves and deletes a whole folder in one call. */
  readonly capabilities?: readonly string[];
  /** Offset at which the file manager confirmed that nothing is at a path any more; 0 where it never held anything. */
  readonly vacatedAt?: (path: string) => number;
};

/** A step before it has a place: what it claims, and whether a cycle may be broken by sending it through another name. */
type Draft = {
  readonly operation: Omit<Operation, 'op_id'>;
  readonly result: FileRow | null;
  readonly why: string;
  readonly claim: Claim;
  /** Index of the draft that must come first whatever the claims say (content after the rename). */
  readonly follows?: number;
};

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/', path.length - 2) + 1);

/** `rename` keeps the folder; anything else is a `move`. */
const kindOfMove = (from: string, to: string): 'rename' | 'move' =>
  parentOf(from) === parentOf(to) ? 'rename' : 'move';

/**
 * Plans the operations that turn what the file manager has into what the bucket holds: for any two states A and B,
 * applying the plan to A, in any order that respects `after`, yields B. Pure and deterministic.
 */
export const planChanges = (changes: readonly Change[], options: PlanOptions = {}): Plan => {
  const { changes: fitting, unplaceable } = placeable(changes);
  const lives = livesOf(fitting);
  const wantsUnder = options.wantsUnder ?? wantsAmong(fitting);
  const withFolders = options.capabilities?.includes('folders') && options.filesUnder;
  const trees = withFolders
    ? treesOf(lives, { filesUnder: options.filesUnder as TreeFacts['filesUnder'], wantsUnder })
    : [];
  const drafts = draftsOf(lives, trees, options.vacatedAt ?? (() => 0));
  const steps = arranged(drafts);
  return { id: planId(steps.map((step) => step.operation)), steps, unplaceable: unplaceable as Unplaceable[] };
};

const wantsAmong =
  (changes: readonly Change[]) =>
  (folder: string): boolean =>
    changes.some(({ want }) => want?.path.startsWith(folder));

const draftsOf = (lives: readonly Life[], trees: readonly Tree[], vacatedAt: (path: string) => number): Draft[] => {
  const drafts: Draft[] = [];
  const inTree = new Map<FileRow, number>();
  for (const tree of trees) {
    const index = drafts.push(treeDraft(tree)) - 1;
    for (const life of tree.lives) inTree.set(life.have, index);
  }
  const taken = new Set(
    lives.flatMap((life) => (life.kind === 'new' || life.kind === 'moved' ? [life.want.path] : [])),
  );
  for (const life of lives) {
    if (life.kind === 'gone') {
      const covered = inTree.has(life.have) || taken.has(life.have.path);
      if (!covered) drafts.push(deleteDraft(life.have));
    } else if (life.kind === 'new') {
      drafts.push(saveDraft(life.want, life.over, undefined, vacatedAt(life.want.path)));
    } else if (life.kind === 'changed') {
      drafts.push(...contentDrafts(life.have, life.want, undefined));
    } else if (isFolder(life.have.path) && !inTree.has(life.have)) {
      drafts.push(saveDraft(life.want, undefined, undefined, vacatedAt(life.want.path)), deleteDraft(life.have));
    } else {
      const tree = inTree.get(life.have);
      const follows = tree ?? drafts.push(moveDraft(life.have, life.want)) - 1;
      drafts.push(...contentDrafts(movedRow(life.have, life.want, life.want.path), life.want, follows));
    }
  }
  return drafts;
};

/** The row as it stands after only its path has changed. */
const movedRow = (have: FileRow, want: FileRow, path: string): FileRow => ({
  ...have,
  path,
  file_id: want.file_id,
  key: want.key,
  offset: want.offset,
});

const treeDraft = (tree: Tree): Draft => {
  const first = tree.lives[0]?.have as FileRow;
  const from_offset = Math.max(...tree.lives.map(({ have }) => have.offset));
  const count = `all ${tree.lives.length} files beneath`;
  if (tree.kind === 'gone') {
    return {
      operation: {
        kind: 'delete',
        path: tree.folder,
        recursive: true,
        file_id: first.file_id,
        from_offset,
        to_offset: 0,
      },
      result: null,
      why: `the bucket holds nothing beneath this folder any more: ${count} go at once`,
      claim: { vacates: tree.folder },
    };
  }
  const to_offset = Math.max(...tree.lives.map(({ want }) => want.offset));
  return {
    operation: {
      kind: kindOfMove(tree.folder, tree.to),
      path: tree.folder,
      to: tree.to,
      file_id: first.file_id,
      from_offset,
      to_offset,
    },
    result: { ...first, path: tree.to, offset: to_offset },
    why: `the whole folder has another path in the bucket: ${count} go along`,
    claim: { vacates: tree.folder, takes: tree.to.slice(0, -1) },
  };
};

const deleteDraft = (have: FileRow): Draft => ({
  operation: { kind: 'delete', path: have.path, file_id: have.file_id, from_offset: have.offset, to_offset: 0 },
  result: null,
  why: 'the bucket does not hold it any more',
  claim: { vacates: have.path },
});

const contentOf = (row: FileRow): Pick<Operation, 'size' | 'etag' | 'permissions'> => ({
  ...(row.size !== null && { size: row.size }),
  ...(row.etag !== null && { etag: row.etag }),
  ...(row.permissions !== null && { permissions: row.permissions }),
});

const saveDraft = (want: FileRow, have: FileRow | undefined, follows?: number, vacatedAt = 0): Draft => ({
  operation: {
    kind: 'save',
    path: want.path,
    ...contentOf(want),
    file_id: want.file_id,
    from_offset: have?.offset ?? vacatedAt,
    to_offset: want.offset,
  },
  result: { ...want, permissions: want.permissions ?? have?.permissions ?? null },
  why: have ? 'the bucket holds other content under this path' : 'the bucket holds a file that the file manager lacks',
  claim: have ? {} : { takes: want.path },
  ...(follows !== undefined && { follows }),
});

const moveDraft = (have: FileRow, want: FileRow): Draft => ({
  operation: {
    kind: kindOfMove(have.path, want.path),
    path: have.path,
    to: want.path,
    file_id: want.file_id,
    from_offset: have.offset,
    to_offset: want.offset,
  },
  result: movedRow(have, want, want.path),
  why:
    have.file_id === want.file_id
      ? 'the same file has another path in the bucket'
      : 'one file went and one came with the same etag and size',
  claim: { vacates: have.path, takes: want.path },
});

/** What is left to do for a file that is already at its path. */
const contentDrafts = (have: FileRow, want: FileRow, follows: number | undefined): Draft[] => {
  if (!sameContent(have, want)) return [saveDraft(want, have, follows)];
  if (samePermissions(have, want)) return [];
  return [
    {
      operation: {
        kind: 'update_permissions',
        path: want.path,
        permissions: want.permissions as string,
        file_id: want.file_id,
        from_offset: have.offset,
        to_offset: want.offset,
      },
      result: { ...have, permissions: want.permissions, offset: want.offset },
      why: `the bucket says ${want.permissions}, the file manager has ${have.permissions ?? 'nothing'}`,
      claim: {},
      ...(follows !== undefined && { follows }),
    },
  ];
};

/** Sorts the drafts into steps; a cycle is broken by sending one of its files through a temporary name. */
const arranged = (drafts: readonly Draft[]): Step[] => {
  const all: Draft[] = [...drafts];
  const byClaims = prerequisites(all.map((draft) => draft.claim));
  const before = all.map((draft, index) => [
    ...(byClaims[index] as number[]),
    ...(draft.follows === undefined ? [] : [draft.follows]),
  ]);
  /** The half-way move to a temporary name that stands for a step's vacating. */
  const halfway = new Map<number, Draft>();
  const order = sorted(before, (stuck) => {
    const index = stuck.find((candidate) => all[candidate]?.operation.to !== undefined) as number;
    const { operation, result, claim } = all[index] as Draft;
    const temporary = temporaryPath(operation.path, operation.from_offset) + (isFolder(operation.path) ? '/' : '');
    halfway.set(index, {
      operation: {
        ...operation,
        kind: kindOfMove(operation.path, temporary),
        to: temporary,
        to_offset: operation.from_offset,
      },
      result: { ...(result as FileRow), path: temporary, offset: operation.from_offset },
      why: `its new path ${operation.to} is taken by a file that waits for this one to go: it steps aside first`,
      claim: { vacates: claim.vacates as string },
    });
    all[index] = {
      ...(all[index] as Draft),
      operation: { ...operation, kind: kindOfMove(temporary, operation.to as string), path: temporary },
    };
    return index;
  });

  const steps: Step[] = [];
  const vacatedBy = new Map<number, number>();
  const finishedBy = new Map<number, number>();
  const push = (draft: Draft, after: readonly number[]): number =>
    steps.push({
      operation: withId(draft.operation),
      after: [...new Set(after)].sort((a, b) => a - b),
      why: draft.why,
      result: draft.result,
    }) - 1;
  // Steps aside first: they need nothing, and others wait for them.
  for (const index of order) {
    const aside = halfway.get(index);
    if (aside) vacatedBy.set(index, push(aside, []));
  }
  const lasts: number[] = [];
  const place = (index: number): void => {
    const draft = all[index] as Draft;
    const after = (before[index] as number[]).map((earlier) =>
      earlier === draft.follows
        ? (finishedBy.get(earlier) as number)
        : ((vacatedBy.get(earlier) ?? finishedBy.get(earlier)) as number),
    );
    const own = vacatedBy.get(index);
    const at = push(draft, own === undefined ? after : [...after, own]);
    finishedBy.set(index, at);
    if (own === undefined) vacatedBy.set(index, at);
  };
  const needed = new Set(before.flat());
  // Freed in sorted order, except that what steps aside is finished once everything it waits for is.
  const asideOrder = order.filter((index) => halfway.has(index));
  for (const index of order) {
    if (halfway.has(index)) continue;
    if (all[index]?.operation.kind === 'delete' && !needed.has(index)) lasts.push(index);
    else if (all[index]?.follows !== undefined && halfway.has(all[index]?.follows as number)) lasts.unshift(index);
    else place(index);
  }
  for (const index of asideOrder) place(index);
  for (const index of lasts) place(index);
  return steps;
};
