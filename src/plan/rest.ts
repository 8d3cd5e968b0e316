import { changeOf } from '../diff/diff.ts';
import { type Entry, fileIdOf, isFolderEntry, sameContentOf, samePermissionsOf } from '../diff/entry.ts';
import { createFilePlaces, createHashSet, type HashList } from './hash-set.ts';
import type { Change } from './operation.ts';
import { createUnpacked, type Unpacked } from './packed.ts';
import { createPackedStore, twoRecords } from './packed-store.ts';
import { createFolders, createPathHash, hasFolder, hashContent, hashDiskName, type PathHash } from './path-hashes.ts';

const [gone, came, taken] = [0, 1, 3] as const;

/** What is left once `settled.ts` has its changes: files that came, went or were renamed, and folders. */
export type Rest = {
  add(have: Entry | null, want: Entry | null): void;
  /** Whether one of these contents is on either side of these changes. */
  holdsAny(contents: HashList): boolean;
  /** `onCreated` is given each file that came alone, in path order. */
  divide(onCreated: (want: Entry) => void): Divided;
  /** Reads the record at a position of `Divided`. */
  read(position: number, into: Unpacked): void;
};

/**
 * The first two lists are in path order. In them, as with the files that came alone, no other change has to do with the files:
 * nothing on the other side could be the other end of their rename, or is in their way.
 */
export type Divided = {
  readonly gone: Float64Array;
  /** One file under two paths, with the same content and permissions: where what is had is, and what is wanted. */
  readonly renamed: { readonly from: Float64Array; readonly to: Float64Array };
  readonly others: readonly Change[];
};

export const createRest = (): Rest => {
  const store = createPackedStore();
  const count = { having: 0, wanting: 0 };
  const each = (onChange: (position: number, have: Entry | null, want: Entry | null) => void): void =>
    store.each((tag, position, { entry }, second) => {
      if (tag === twoRecords) onChange(position, entry, second.entry);
      else onChange(position, tag === gone ? entry : null, tag === gone ? null : entry);
    });
  let bothSides: { readonly having: Side; readonly wanting: Side } | undefined;
  /** Made once all changes have been added. */
  const sides = () => {
    if (bothSides) return bothSides;
    const [having, wanting] = [createSide(count.having), createSide(count.wanting)];
    each((position, have, want) => {
      if (have) having.add(have, want ? undefined : position);
      if (want) wanting.add(want, have ? undefined : position);
    });
    bothSides = { having, wanting };
    return bothSides;
  };
  return {
    add: (have, want) => {
      if (have) count.having += 1;
      if (want) count.wanting += 1;
      if (have) store.append(want ? twoRecords : gone, have, want);
      else if (want) store.append(came, want);
    },
    holdsAny: (contents) => {
      const { having, wanting } = sides();
      return contents.some((low, high) => having.holds(low, high) || wanting.holds(low, high));
    },
    divide: (onCreated) => {
      const { having, wanting } = sides();
      const hash = createPathHash();
      /** Nothing wants to be where this file goes away. */
      const isFree = (have: Entry): boolean => {
        hashDiskName(hash, have);
        return !wanting.isAt(hash) && !wanting.isNear(hash);
      };
      /** Nothing is where this file comes to. Of two that are wanted, one beneath the other, one cannot be placed. */
      const fits = (want: Entry): boolean => {
        hashDiskName(hash, want);
        return !having.isAt(hash) && !having.isNear(hash) && !wanting.isNear(hash);
      };
      const other = createUnpacked();
      /** Where the same file is wanted, if nothing but its path is to change. */
      const renamedTo = (position: number, have: Entry): number | undefined => {
        const to = having.onlyOf(have) === position ? wanting.onlyOf(have) : undefined;
        if (to === undefined) return undefined;
        store.read(to, other);
        const want = other.entry;
        const isSame = !isFolderEntry(want) && sameContentOf(have, want) && samePermissionsOf(have, want);
        return isSame && isFree(have) && fits(want) ? to : undefined;
      };
      const others: Change[] = [];
      const goneAt = createPositions(count.having);
      const fromAt = createPositions(count.having);
      const toAt = createPositions(count.having);
      /** Of what came: what may be where a file was renamed to. */
      const metAt = createPositions(count.wanting);
      each((position, have, want) => {
        if ((have && want) || isFolderEntry((have ?? want) as Entry)) others.push(changeOf(have, want));
        else if (want && having.matches(want)) metAt.add(position);
        else if (want && fits(want)) onCreated(want);
        else if (want) others.push(changeOf(null, want));
        else if (have) {
          const target = renamedTo(position, have);
          if (target !== undefined) {
            fromAt.add(position);
            toAt.add(target);
            store.retag(target, taken);
          } else if (!wanting.matches(have) && isFree(have)) goneAt.add(position);
          else others.push(changeOf(have, null));
        }
      });
      for (const position of metAt.all()) {
        if (store.tagOf(position) === taken) continue;
        store.read(position, other);
        others.push(changeOf(null, other.entry));
      }
      return { gone: goneAt.all(), renamed: { from: fromAt.all(), to: toAt.all() }, others };
    },
    read: store.read,
  };
};

/** Positions, so many at most, outside the collected heap. */
const createPositions = (most: number) => {
  const positions = new Float64Array(most);
  let length = 0;
  return {
    add: (position: number): void => {
      positions[length++] = position;
    },
    all: (): Float64Array => positions.subarray(0, length),
  };
};

type Side = ReturnType<typeof createSide>;

/** What lies on one side of these changes: so many rows. */
const createSide = (count: number) => {
  const files = createFilePlaces(count);
  const contents = createHashSet(count);
  const places = createHashSet(count);
  const folders = createFolders();
  const hash = createPathHash();
  return {
    /** `position` is undefined where the path is on both sides. */
    add: (entry: Entry, position: number | undefined): void => {
      files.add(fileIdOf(entry), position);
      if (hashContent(hash, entry)) contents.add(hash.low, hash.high);
      hashDiskName(hash, entry);
      places.add(hash.low, hash.high);
      folders.add(hash);
    },
    holds: contents.has,
    /** Whether this row may be the other end of a rename. */
    matches: (entry: Entry): boolean =>
      files.has(fileIdOf(entry)) || (hashContent(hash, entry) && contents.has(hash.low, hash.high)),
    /** The position of the only row of this file. */
    onlyOf: (entry: Entry): number | undefined => files.onlyOf(fileIdOf(entry)),
    isAt: ({ low, high }: PathHash): boolean => places.has(low, high),
    /** Whether something here is a file where the row needs a folder, or lies beneath where it needs a file. */
    isNear: (path: PathHash): boolean => folders.has(path.low, path.high) || hasFolder(places, path),
  };
};
