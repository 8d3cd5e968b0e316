import { changesOf, readerOfOthers, writeChanges } from './changes.ts';
import { type Found, readBeneath, readRows } from './read-rows.ts';
import type { FileRow } from './rows.ts';
import { type Items, lotsOf } from './sorted-lots.ts';
import type { FileTable, Store } from './store.ts';

/**
 * Rows of a table held in memory between a bulk read and a bulk write. A fold reads and changes them by path; `flush`
 * writes what changed, and to `dirty` the paths that have come to differ from the other table, or to be equal.
 */
export type WorkingSet = {
  load(paths: Iterable<string>): Promise<void>;
  /** Begins to load what will be asked for next; what this throws, `arrival` and `load` throw. */
  prefetch(paths: Iterable<string>): void;
  /** Resolves when all that was begun to load is here. */
  arrival(): Promise<void>;
  /** Whether the path's row, or its absence, is known here. */
  has(path: string): boolean;
  get(path: string): FileRow | undefined;
  set(row: FileRow): void;
  remove(path: string): void;
  /** The rows beneath a folder, loaded where they are not here yet; undefined where these are too many. */
  beneath(folder: string): Promise<FileRow[] | undefined>;
  /** Writes the changes, forgets everything, and resolves with how the table's totals moved. */
  flush(): Promise<Totals>;
  /** Whether there are more rows here than ought to be. */
  isFull(): boolean;
};

/** How many rows and bytes a table gained (or lost, when negative). */
export type Totals = { files: number; bytes: number };

/**
 * What stands at a path in the table, and what is to stand there; undefined is no row. Another object is another row. Until
 * it is known, the path is being read.
 */
type Entry = { readonly path: string; before: FileRow | undefined; row: FileRow | undefined; isKnown: boolean };

const entryOf = (path: string, row: FileRow | undefined): Entry => ({ path, before: row, row, isKnown: true });

/** Rows that may be looked at for events about folders before they are written; then SQL does it, which has an index. */
const rowsLookedAtMax = 50_000_000;

/** Rows that are written together: their text is a copy of them. */
const rowsAtOnce = 5_000;

const byPath = (a: Entry, b: Entry): number => (a.path < b.path ? -1 : 1);

/** The entries by their places. */
const pathsOf = (entries: readonly Entry[]): Items => ({
  count: entries.length,
  forEach: (visit) => {
    for (let place = 0; place < entries.length; place++) visit(place);
  },
  textOf: (place) => (entries[place] as Entry).path,
});

export type WorkingSetOptions = {
  /** The table is known to hold nothing, so that nothing need be looked up for as long as all rows fit in here. */
  readonly empty?: boolean;
  /** Rows that are loaded because a folder around them changes. SQL changes more of them faster. */
  readonly beneathMax?: number | undefined;
  /** Paths to hold; twice as many as long as all rows fit in here. */
  readonly pathsMax?: number | undefined;
};

export const createWorkingSet = (store: Store, table: FileTable, options: WorkingSetOptions = {}): WorkingSet => {
  const { empty = false, beneathMax = 1_000, pathsMax = 200_000 } = options;
  const entries = new Map<string, Entry>();
  /** Whether the table holds nothing: then what is not here is nowhere. */
  let complete = empty;
  let looked = 0;
  let coming: { readonly wanted: readonly Entry[]; readonly rows: Promise<Found[]> } | undefined;
  /** The entry that was found last: a path is mostly looked for several times in a row. */
  let found: Entry | undefined;
  const find = (path: string): Entry | undefined => {
    if (found?.path !== path) found = entries.get(path);
    return found;
  };
  /** Entries, not known yet, for the paths that have none. */
  const missing = (paths: Iterable<string>): Entry[] => {
    const wanted: Entry[] = [];
    for (const path of paths) {
      if (entries.has(path)) continue;
      const entry: Entry = { path, before: undefined, row: undefined, isKnown: false };
      entries.set(path, entry);
      wanted.push(entry);
    }
    return wanted;
  };
  /** What has become known meanwhile stays. */
  const learn = (entry: Entry, row: FileRow | undefined): void => {
    if (entry.isKnown) return;
    entry.before = row;
    entry.row = row;
    entry.isKnown = true;
  };
  const keep = (row: FileRow): void => {
    const entry = entries.get(row.path);
    if (entry) learn(entry, row);
    else entries.set(row.path, entryOf(row.path, row));
  };
  /** Keeps the rows that were read, and that there are no others. */
  const settle = (wanted: readonly Entry[], rows: readonly Found[]): void => {
    for (const [place, row] of rows) learn(wanted[place] as Entry, row);
    for (const entry of wanted) learn(entry, undefined);
  };
  const read = (wanted: readonly Entry[]): Promise<Found[]> =>
    readRows(
      store,
      table,
      wanted.map(({ path }) => path),
    );
  const arrival = async (): Promise<void> => {
    if (!coming) return;
    const { wanted, rows } = coming;
    coming = undefined;
    settle(wanted, await rows);
  };
  const entryAt = (path: string): Entry => {
    const entry = find(path);
    if (!entry?.isKnown) throw new Error(`path was not loaded into the working set: ${path}`);
    return entry;
  };
  return {
    load: async (paths) => {
      if (complete) return;
      await arrival();
      const wanted = missing(paths);
      if (wanted.length > 0) settle(wanted, await read(wanted));
    },
    prefetch: (paths) => {
      if (complete || coming) return;
      const wanted = missing(paths);
      coming = { wanted, rows: read(wanted) };
      coming.rows.catch(() => undefined);
    },
    arrival,
    has: (path) => complete || find(path)?.isKnown === true,
    get: (path) => (complete ? find(path) : entryAt(path))?.row,
    set: (row) => {
      if (complete && !find(row.path)) {
        found = entryOf(row.path, undefined);
        entries.set(row.path, found);
      }
      entryAt(row.path).row = row;
    },
    remove: (path) => {
      if (!complete) entryAt(path).row = undefined;
      else if (entries.delete(path)) found = undefined;
    },
    beneath: async (folder) => {
      if (looked > rowsLookedAtMax) return undefined;
      looked += entries.size;
      const known = complete ? [] : await readBeneath(store, table, folder, beneathMax);
      if (known === undefined) return undefined;
      for (const row of known) keep(row);
      const beneath: FileRow[] = [];
      for (const { row } of entries.values()) if (row?.path.startsWith(folder)) beneath.push(row);
      return beneath;
    },
    flush: async () => {
      const totals: Totals = { files: 0, bytes: 0 };
      const changed: Entry[] = [];
      for (const entry of entries.values()) if (entry.row !== entry.before) changed.push(entry);
      const others = changed.length > 0 ? await readerOfOthers(store, table) : undefined;
      let written: Promise<void> = Promise.resolve();
      // In the order of the table, so that neighbouring rows are written together.
      for (const places of lotsOf(pathsOf(changed), rowsAtOnce)) {
        const lot = Array.from(places, (place) => changed[place] as Entry).sort(byPath);
        const changes = changesOf(table, lot, await others?.(lot));
        for (const { before, row } of lot) {
          totals.files += (row ? 1 : 0) - (before ? 1 : 0);
          totals.bytes += (row?.size ?? 0) - (before?.size ?? 0);
        }
        await written;
        written = writeChanges(store, table, changes, complete);
        // What it throws is thrown where it is awaited.
        written.catch(() => undefined);
      }
      await written;
      entries.clear();
      found = undefined;
      // What is still being read belongs to entries that are forgotten.
      coming = undefined;
      complete = false;
      looked = 0;
      return totals;
    },
    // Some 600 bytes each, and half of that where the table has no row.
    isFull: () => entries.size > (complete ? 2 * pathsMax : pathsMax),
  };
};
