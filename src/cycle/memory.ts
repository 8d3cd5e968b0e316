import type { BucketIdentity } from '../bucket/bucket.ts';
import type { GateFacts } from '../plan/gate.ts';
import type { Database } from '../storage/database.ts';

/**
 * What the gate compares a cycle with, and no event tells. It lies in the log's own `meta` table: so it survives a rebuild
 * of the projections, and goes into the same backup.
 */
export type CycleMemory = {
  /** The bucket that the file manager was filled from. */
  readonly bucket?: BucketIdentity | undefined;
  /** The address at which the file manager confirmed what the mirror says, or was last compared with it. */
  readonly fileManager?: string | undefined;
  /** Rows of the file table at the end of the last cycle that was not held. */
  readonly files?: number | undefined;
  /** The newest listing of the whole bucket, until a cycle has gone on after it. */
  readonly listing?: GateFacts['listing'] | undefined;
  /** False once the bucket was listed as a whole. Until then what no listing reached may be in no event. */
  readonly unlisted?: boolean | undefined;
  /** The last path of the lot that the last cycle planned; see lot.ts. */
  readonly lotUpTo?: string | undefined;
  /** The newest listings, of all or of a part, the oldest first. */
  readonly listings?: readonly Listed[] | undefined;
};

/**
 * When a listing was begun and ended, by the bucket's own clock (RFC 3339, whole seconds). One that an error or a signal cut
 * off ends with the last page that came; without `to` it is under way, or a crash ended it.
 */
export type Listed = { readonly from: string; readonly to?: string };

/** So many listings are kept. An event may come long after it happened, but hardly after a month of nightly listings. */
const listingsMax = 32;

type Memory = Pick<Database, 'get' | 'run'>;

export const recall = async (database: Memory): Promise<CycleMemory> => {
  const row = await database.get<{ value: string }>(`SELECT value FROM meta WHERE name = 'cycle'`);
  return row ? (JSON.parse(row.value) as CycleMemory) : {};
};

/** Keeps what is given, and what was known beside it; what is given as undefined is forgotten. Writes only what is new. */
export const remember = async (database: Memory, change: CycleMemory): Promise<void> => {
  const before = await recall(database);
  const after = JSON.stringify({ ...before, ...change });
  if (after !== JSON.stringify(before)) await database.run(`INSERT OR REPLACE INTO meta VALUES ('cycle', ?)`, [after]);
};

/** Keeps the times of a listing; one before it that a crash ended has ended when this one began. */
export const rememberListing = async (database: Memory, listed: Listed): Promise<void> => {
  const { listings = [] } = await recall(database);
  const before = listings
    .filter(({ from }) => from !== listed.from)
    .map(({ from, to = listed.from }): Listed => ({ from, to }));
  await remember(database, { listings: [...before, listed].slice(-listingsMax) });
};
