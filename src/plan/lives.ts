import { isFolder } from '../../events/event.ts';
import { type FileRow, sameContent } from '../../projections/rows.ts';
import type { Change } from './operation.ts';

/** A file that is at another path. */
export type Moved = { readonly have: FileRow; readonly want: FileRow };

/** What became of each file: changes by path, turned into changes by identity. Each list is in the order of the changes. */
export type Lives = {
  readonly moved: readonly Moved[];
  /** At their path on both sides, with other content or other permissions. */
  readonly kept: readonly Moved[];
  /** Wanted, and not to be had by a rename. `over` is what is at the path now and is not needed any more. */
  readonly created: readonly { readonly want: FileRow; readonly over: FileRow | null }[];
  /** Not wanted any more, and nothing is wanted at their path. */
  readonly gone: readonly FileRow[];
};

/** A folder has no content that could differ. */
export const sameBytes = (a: FileRow, b: FileRow): boolean => isFolder(a.path) || sameContent(a, b);

/**
 * Finds what was renamed: first by `file_id`; then, for producers that only know delete and create (S3), by etag and size,
 * where exactly one file that loses its place and exactly one that is missing match. Empty files match everything and so
 * nothing; ties are refused. A file never becomes a folder by a rename. At the paths `unpaired` content says nothing.
 */
export const livesOf = (changes: readonly Change[], unpaired: ReadonlySet<string> = new Set()): Lives => {
  const wantOf = new Map<FileRow, FileRow>();
  const haveOf = new Map<FileRow, FileRow>();
  const pair = (have: FileRow, want: FileRow): void => {
    wantOf.set(have, want);
    haveOf.set(want, have);
  };
  const moving = changes.filter(({ have, want }) => have?.file_id !== want?.file_id);
  matchUnique(moving, ({ file_id, path }) => `${file_id}${isFolder(path) ? '/' : ''}`, pair);
  const open = changes.map(({ path, have, want }): { have: FileRow | null; want: FileRow | null } => {
    const going = have && !wantOf.has(have) ? have : null;
    const coming = want && !haveOf.has(want) ? want : null;
    if (going && coming && (isFolder(path) || sameContent(going, coming))) return { have: null, want: null };
    // A file that gets other content in place keeps its place meanwhile: it is never taken away to serve as another.
    return { have: going && going.file_id === coming?.file_id ? null : going, want: coming };
  });
  matchUnique(open, (row) => (unpaired.has(row.path) ? undefined : contentKey(row)), pair);

  const moved: Moved[] = [];
  const kept: Moved[] = [];
  const created: { want: FileRow; over: FileRow | null }[] = [];
  const gone: FileRow[] = [];
  for (const { have, want } of changes) {
    const to = have ? wantOf.get(have) : undefined;
    if (have && to) moved.push({ have, want: to });
    if (want) {
      if (haveOf.has(want)) continue;
      const over = have && !to ? have : null;
      if (over && (over.file_id === want.file_id || sameBytes(over, want))) kept.push({ have: over, want });
      else created.push({ want, over });
    } else if (have && !to) gone.push(have);
  }
  return { moved, kept, created, gone };
};

/** What two rows of the same content share; undefined where the content says nothing. */
export const contentKey = ({ path, size, etag }: FileRow): string | undefined =>
  etag !== null && size !== null && size > 0 && !isFolder(path) ? `${size}:${etag}` : undefined;

type Sides = { readonly have: FileRow | null; readonly want: FileRow | null };

/** Pairs a row that is had with one that is wanted at another path, where each is the only one of its key. */
const matchUnique = (
  changes: readonly Sides[],
  keyOf: (row: FileRow) => string | undefined,
  pair: (have: FileRow, want: FileRow) => void,
): void => {
  const singles = (rows: readonly (FileRow | null)[]): Map<string, FileRow | null> => {
    const found = new Map<string, FileRow | null>();
    for (const row of rows) {
      const key = row ? keyOf(row) : undefined;
      if (key !== undefined) found.set(key, found.has(key) ? null : row);
    }
    return found;
  };
  const wants = singles(changes.map(({ want }) => want));
  for (const [key, have] of singles(changes.map((change) => change.have))) {
    const want = wants.get(key);
    if (have && want && have.path !== want.path) pair(have, want);
  }
};

/**
 * In a ring of renames whose files all stand in each other's way, a file that gets new content anyway need not be renamed:
 * it is saved at its new path, and its old place is simply taken. That opens the ring without a temporary name. Not where
 * `mustLeave` says that its old place is to be empty for a while.
 */
export const withoutNeedlessMoves = (
  moved: readonly Moved[],
  mustLeave: (path: string) => boolean,
): { readonly moving: readonly Moved[]; readonly rewritten: readonly Moved[] } => {
  const leaving = new Map(moved.map((life) => [life.have.path, life]));
  const seen = new Set<Moved>();
  const rewritten = new Set<Moved>();
  for (const start of moved) {
    const walk: Moved[] = [];
    let life: Moved | undefined = start;
    while (life && !seen.has(life)) {
      seen.add(life);
      walk.push(life);
      life = leaving.get(life.want.path);
    }
    const ring = life && walk.includes(life) ? walk.slice(walk.indexOf(life)) : [];
    const needless = ring.find(({ have, want }) => !sameBytes(have, want) && !mustLeave(have.path));
    if (needless) rewritten.add(needless);
  }
  return { moving: moved.filter((life) => !rewritten.has(life)), rewritten: [...rewritten] };
};
