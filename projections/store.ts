import type { BucketEvent, Recorded } from '../events/event.ts';

/**
 * What a fold may ask of the database that holds its view. Structural, so that the folds depend on no driver. Within one
 * fold every call runs in one transaction, with the checkpoint.
 */
export type Store = {
  all<T>(sql: string, parameters?: readonly (string | number | null)[]): Promise<T[]>;
  run(sql: string, parameters?: readonly (string | number | null)[]): Promise<number>;
  /**
   * Inserts rows, each the JSON of its cells with commas between them; `replacing` puts them in the place of those of their
   * key.
   */
  insert(rows: {
    readonly into: string;
    readonly columns: readonly string[];
    readonly rows: readonly string[];
    readonly replacing?: boolean;
  }): Promise<void>;
  /** Changed paths are not noted: `dirty` is made anew at the end, which costs less when most of the table changes. */
  readonly defersDirty?: boolean;
};

/** A store with the log behind it, for folds that must look back. The log is attached to the database as `log`. */
export type StoreWithLog = Store & {
  /** The bucket events at these offsets, in any order. */
  eventsAt(offsets: readonly number[]): Promise<Recorded<BucketEvent>[]>;
};

/** The two tables of one shape: what the bucket holds, and what the file manager has confirmed. */
export type FileTable = 'file' | 'mirror';

export const otherTable = { file: 'mirror', mirror: 'file' } as const;

/**
 * The first path after everything beneath a folder, in byte order: `/` is 0x2f, `0` is 0x30. The paths of folder `p/` are
 * exactly those with `p/ <= path < p0`.
 */
export const endOfFolder = (folder: string): string => `${folder.slice(0, -1)}0`;
