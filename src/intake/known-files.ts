import { endOfFolder } from '../../projections/store.ts';
import type { Queries } from '../storage/database.ts';

/** What the log knows of a file that a rename or move may take along. */
export type KnownFile = {
  readonly key: string | null;
  readonly size: number | null;
  readonly etag: string | null;
  /** The file manager holds this very content. */
  readonly saved: boolean;
  /** What is known comes from an event behind the newest listing, which that listing cannot have seen the effect of. */
  readonly fresh: boolean;
  /** What is known is the bucket's answer to a question: it may be newer than events that are still on their way. */
  readonly asked: boolean;
};

/** The same of all that lies beneath a folder, as far as it matters: whether there is any such file. */
export type KnownFolder = {
  readonly isThere: boolean;
  readonly unsavedParts: boolean;
  readonly asked: boolean;
};

/** The file table and the mirror, beside the log that they are folded from. */
export type Views = Pick<Queries, 'all'> & {
  /** Resolves when the whole log is folded; left out where it always is. */
  settled?(): Promise<void>;
};

const wasAsked = `e.source LIKE '%+head'`;
const isSaved = 'm.path IS NOT NULL AND m.size IS f.size AND m.etag IS f.etag';

/** An etag of an upload in parts; a store gives such an object another etag when it copies it. */
export const isOfParts = (etag: string | null): boolean => etag !== null && /-\d+$/.test(etag);

export const knownFiles = async (views: Views, paths: readonly string[]): Promise<Map<string, KnownFile>> => {
  if (paths.length === 0) return new Map();
  const rows = await views.all<
    { path: string } & Pick<KnownFile, 'key' | 'size' | 'etag'> & Record<'saved' | 'asked', number | null>
  >(
    `SELECT f.path, f.key, f.size, f.etag, ${isSaved} AS saved, ${wasAsked} AS asked
     FROM json_each(?) AS wanted JOIN file AS f ON f.path = wanted.value
     LEFT JOIN mirror AS m ON m.path = f.path LEFT JOIN log.event AS e ON e."offset" = f."offset"`,
    [JSON.stringify(paths)],
  );
  return new Map(
    rows.map(({ path, saved, asked, ...row }) => [
      path,
      { ...row, saved: saved === 1, fresh: false, asked: asked === 1 },
    ]),
  );
};

export const knownFolder = async (views: Views, folder: string): Promise<KnownFolder> => {
  const beneath = 'f.path >= ?1 AND f.path < ?2';
  const recorded = `SELECT 1 FROM file AS f JOIN log.event AS e ON e."offset" = f."offset" WHERE ${beneath}`;
  const [found] = await views.all<Record<keyof KnownFolder, number>>(
    `SELECT EXISTS (SELECT 1 FROM file AS f WHERE ${beneath}) AS isThere,
       EXISTS (SELECT 1 FROM file AS f LEFT JOIN mirror AS m ON m.path = f.path
               WHERE ${beneath} AND f.etag LIKE '%-%' AND NOT (${isSaved})) AS unsavedParts,
       EXISTS (${recorded} AND ${wasAsked}) AS asked`,
    [folder, endOfFolder(folder)],
  );
  const { isThere, unsavedParts, asked } = found ?? { isThere: 0, unsavedParts: 0, asked: 0 };
  return { isThere: isThere === 1, unsavedParts: unsavedParts === 1, asked: asked === 1 };
};
