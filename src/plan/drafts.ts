import { isFolder } from '../../events/event.ts';
import { type FileRow, samePermissions } from '../../projections/rows.ts';
import type { Claim } from './claims.ts';
import { type Moved, sameBytes } from './lives.ts';
import type { Operation } from './operation.ts';
import { temporaryPath } from './operation-id.ts';
import { diskName, parentOf } from './paths.ts';
import type { GoneTree, MovedTree } from './trees.ts';

/** A step before it has a place among the others. */
export type Draft = {
  readonly operation: Omit<Operation, 'op_id'>;
  readonly result: FileRow | null;
  readonly why: string;
  readonly claim: Claim;
  readonly files?: number;
  /** The draft that brings the file to its path first. */
  readonly follows?: Draft | undefined;
};

/** `rename` keeps the folder; anything else is a `move`. */
const kindOfMove = (from: string, to: string): 'rename' | 'move' =>
  parentOf(from) === parentOf(to) ? 'rename' : 'move';

/**
 * The row as it stands after only its path has changed, to one whose last state so far was that of `lastAt`. The offsets that
 * rows have at one path never go back, so that no state comes twice: a file that gives way and comes back unchanged, twice,
 * is deleted twice, and each is another transition.
 */
const movedRow = ({ have, want }: Moved, lastAt: number): FileRow => ({
  ...have,
  path: want.path,
  file_id: want.file_id,
  key: want.key,
  offset: Math.max(want.offset, lastAt),
});

/** The row once `mover` has brought it to its path. */
const broughtBy = (mover: Draft, life: Moved): FileRow => movedRow(life, (mover.result as FileRow).offset);

const whyDeleted = ({ path }: FileRow, inTheWay: string | undefined): string => {
  if (inTheWay !== undefined) return `it gives way: ${inTheWay}`;
  return isFolder(path)
    ? 'the bucket does not hold this folder of its own any more; what is in it stays'
    : 'the bucket does not hold it any more';
};

/** `inTheWay`: why the bucket's file cannot be placed, where it is not gone from there. */
export const deleteDraft = (have: FileRow, inTheWay?: string): Draft => ({
  operation: { kind: 'delete', path: have.path, file_id: have.file_id, from_offset: have.offset, to_offset: 0 },
  result: null,
  why: whyDeleted(have, inTheWay),
  claim: { vacates: have.path },
});

/** `over` is the row that is replaced in place; `vacatedAt` names the state where there is none. `lastAt`: see movedRow. */
export const saveDraft = (want: FileRow, over: FileRow | null, vacatedAt: number, lastAt: number): Draft => ({
  operation: {
    kind: 'save',
    path: want.path,
    ...(want.size !== null && { size: want.size }),
    ...(want.etag !== null && { etag: want.etag }),
    ...(want.permissions !== null && { permissions: want.permissions }),
    file_id: want.file_id,
    from_offset: over?.offset ?? vacatedAt,
    to_offset: want.offset,
  },
  result: {
    ...want,
    permissions: want.permissions ?? over?.permissions ?? null,
    offset: Math.max(want.offset, lastAt),
  },
  why: over ? 'the bucket holds other content under this path' : 'the bucket holds it, the file manager does not',
  claim: over ? {} : { takes: want.path },
});

export const moveDraft = ({ have, want }: Moved, lastAt: number): Draft => ({
  operation: {
    kind: kindOfMove(have.path, want.path),
    path: have.path,
    to: want.path,
    file_id: want.file_id,
    from_offset: have.offset,
    to_offset: want.offset,
  },
  result: movedRow({ have, want }, lastAt),
  why:
    have.file_id === want.file_id
      ? 'the same file has another path in the bucket'
      : 'one file went and one came with the same etag and size, and no other: taken for a rename',
  claim: { vacates: have.path, takes: want.path },
});

export const permissionsDraft = (have: FileRow, want: FileRow, follows?: Draft): Draft => ({
  operation: {
    kind: 'update_permissions',
    path: want.path,
    permissions: want.permissions as string,
    file_id: want.file_id,
    from_offset: have.offset,
    to_offset: want.offset,
  },
  result: { ...have, permissions: want.permissions, offset: Math.max(want.offset, have.offset) },
  why: `the bucket says ${want.permissions}, the file manager has ${have.permissions ?? 'nothing'}`,
  claim: {},
  follows,
});

/**
 * Permissions of a folder that stays, or that `mover` brings to its place first: with those of all beneath, or (`alone`) for
 * itself, while what is beneath keeps its own.
 */
export const folderPermissionsDraft = (life: Moved, alone: boolean, mover?: Draft): Draft => {
  const draft = permissionsDraft(mover ? broughtBy(mover, life) : life.have, life.want, mover);
  return alone ? { ...draft, operation: { ...draft.operation, recursive: false } } : draft;
};

/** What is left to do for a file that is at its path, with the content and permissions of `have`. Folders: see folder-permissions.ts. */
export const settleDrafts = (have: FileRow, want: FileRow): Draft[] => {
  if (isFolder(want.path)) return [];
  if (!sameBytes(have, want)) return [saveDraft(want, have, 0, have.offset)];
  return samePermissions(have, want) ? [] : [permissionsDraft(have, want)];
};

/** What is left to do once `mover` has brought the file to its path. */
export const followUps = (life: Moved, mover: Draft): Draft[] =>
  settleDrafts(broughtBy(mover, life), life.want).map((draft) => ({ ...draft, follows: mover }));

const largest = (rows: readonly FileRow[]): number => rows.reduce((most, { offset }) => Math.max(most, offset), 0);

/** A row that names the whole folder: its own where it goes along, otherwise the first beneath. */
const nameOf = (folder: string, rows: readonly FileRow[]): FileRow =>
  rows.find(({ path }) => path === folder) ?? (rows[0] as FileRow);

export const goneTreeDraft = ({ folder, members }: GoneTree): Draft => ({
  operation: {
    kind: 'delete',
    path: folder,
    recursive: true,
    file_id: nameOf(folder, members).file_id,
    from_offset: largest(members),
    to_offset: 0,
  },
  result: null,
  why: `the bucket holds nothing beneath this folder any more: all ${members.length} there go at once`,
  claim: { vacates: folder, whole: true },
  files: members.length,
});

export const movedTreeDraft = ({ folder, to, members }: MovedTree, lastAt: (path: string) => number): Draft => {
  const first = nameOf(
    folder,
    members.map(({ have }) => have),
  );
  const arrived = members.map((life) => movedRow(life, lastAt(life.want.path)));
  return {
    operation: {
      kind: kindOfMove(folder, to),
      path: folder,
      to,
      file_id: first.file_id,
      from_offset: largest(members.map(({ have }) => have)),
      to_offset: largest(members.map(({ want }) => want)),
    },
    result: { ...first, path: to + first.path.slice(folder.length), offset: largest(arrived) },
    why: `everything in this folder has the same new folder in the bucket: all ${members.length} go along`,
    claim: { vacates: folder, takes: to, whole: true },
    files: members.length,
  };
};

/** A move in two halves: out of the way under a temporary name, and from there to its place once that is free. */
export const halvesOf = (draft: Draft): readonly [aside: Draft, rest: Draft] => {
  const { operation, result } = draft;
  const { path, from_offset } = operation;
  const to = operation.to as string;
  const temporary = temporaryPath(path, from_offset) + (isFolder(path) ? '/' : '');
  return [
    {
      ...draft,
      operation: { ...operation, kind: kindOfMove(path, temporary), to: temporary, to_offset: from_offset },
      result: { ...(result as FileRow), path: temporary, offset: from_offset },
      why:
        diskName(path) === diskName(to)
          ? 'only the spelling of its name changes, which some disks take for the same name: it steps aside first'
          : `${JSON.stringify(to)} is not free before this one has left its place: it steps aside first`,
    },
    { ...draft, operation: { ...operation, kind: kindOfMove(temporary, to), path: temporary } },
  ];
};
