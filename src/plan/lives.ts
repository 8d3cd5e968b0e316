import { isFolder } from '../../events/event.ts';
import { type FileRow, sameContent, samePermissions } from '../../projections/rows.ts';
import type { Change } from './operation.ts';

/**
 * What became of each file: changes by path, turned into changes by identity. A file that is at another path under the
 * same `file_id` was renamed. Producers that only know delete and create (S3) get their renames back where one file that
 * went and one that came match in etag and size, and no other does.
 */
export type Life =
  | { readonly kind: 'gone'; readonly have: FileRow }
  | { readonly kind: 'new'; readonly want: FileRow; readonly over?: FileRow }
  | { readonly kind: 'changed'; readonly have: FileRow; readonly want: FileRow }
  | { readonly kind: 'moved'; readonly have: FileRow; readonly want: FileRow };

export const livesOf = (changes: readonly Change[]): Life[] => {
  const haveById = new Map<number, FileRow>();
  const wantById = new Map<number, FileRow>();
  for (const { have, want } of changes) {
    if (have) haveById.set(have.file_id, have);
    if (want) wantById.set(want.file_id, want);
  }
  const lives: Life[] = [];
  const went: FileRow[] = [];
  const came: FileRow[] = [];
  const taken = new Map<string, FileRow>();
  for (const { have, want } of changes) {
    if (have) {
      const now = wantById.get(have.file_id);
      if (!now || isFolder(now.path) !== isFolder(have.path)) went.push(have);
      else if (now.path === have.path) lives.push({ kind: 'changed', have, want: now });
      else lives.push({ kind: 'moved', have, want: now });
    }
    if (want) {
      const before = haveById.get(want.file_id);
      if (!before || isFolder(before.path) !== isFolder(want.path)) came.push(want);
    }
  }
  const wentByPath = new Map(went.map((row) => [row.path, row]));
  const arrivals: FileRow[] = [];
  for (const want of came) {
    const have = wentByPath.get(want.path);
    if (!have) arrivals.push(want);
    else {
      taken.set(have.path, have);
      const same = sameContent(have, want) && samePermissions(have, want);
      if (!same)
        lives.push(sameContent(have, want) ? { kind: 'changed', have, want } : { kind: 'new', want, over: have });
    }
  }
  const departures = went.filter((row) => !taken.has(row.path));
  const pairs = pairByContent(departures, arrivals);
  for (const have of departures) {
    const want = pairs.get(have);
    lives.push(want ? { kind: 'moved', have, want } : { kind: 'gone', have });
  }
  const paired = new Set(pairs.values());
  for (const want of arrivals) if (!paired.has(want)) lives.push({ kind: 'new', want });
  return lives;
};

/** Unique matches by etag and size. Empty files match everything and so nothing; ties are refused. */
const pairByContent = (went: readonly FileRow[], came: readonly FileRow[]): Map<FileRow, FileRow> => {
  const contentOf = (row: FileRow): string | undefined =>
    row.etag !== null && row.size !== null && row.size > 0 && !isFolder(row.path)
      ? `${row.size}:${row.etag}`
      : undefined;
  const single = (rows: readonly FileRow[]): Map<string, FileRow | undefined> => {
    const found = new Map<string, FileRow | undefined>();
    for (const row of rows) {
      const content = contentOf(row);
      if (content !== undefined) found.set(content, found.has(content) ? undefined : row);
    }
    return found;
  };
  const arrivals = single(came);
  const pairs = new Map<FileRow, FileRow>();
  for (const [content, have] of single(went)) {
    const want = arrivals.get(content);
    if (have && want) pairs.set(have, want);
  }
  return pairs;
};
