import { type Entry, isFolderEntry, rowOfEntry, sameContentOf, samePermissionsOf } from '../diff/entry.ts';
import { createHashSet } from './hash-set.ts';
import { type Digits, offsetOf } from './operation-bytes.ts';
import type { OperationLines } from './operation-lines.ts';
import { createPackedStore } from './packed-store.ts';
import { createFolders, createPathHash, hashContent, hashPath } from './path-hashes.ts';

const [saved, permitted] = [0, 1] as const;

/** Changes that leave a file where it is: no other operation waits for theirs, and they wait for none. */
export type Settled = {
  add(have: Entry, want: Entry): void;
  /**
   * Whether another change may have to do with one of these after all: a file beside a folder of its name, a whole folder's
   * permissions, content that a rename may bring.
   */
  isTouchedBy(have: Entry | null, want: Entry | null): boolean;
  /** Writes their operations, in path order, and lets go of them. */
  writeTo(lines: OperationLines): void;
};

export const createSettled = (): Settled => {
  const store = createPackedStore({ sharesPaths: true });
  const places = createHashSet();
  const contents = createHashSet();
  const folders = createFolders();
  const hash = createPathHash();
  const holdsContentOf = (entry: Entry | null): boolean =>
    entry !== null && hashContent(hash, entry) && contents.has(hash.low, hash.high);
  return {
    add: (have, want) => {
      const isSaved = !sameContentOf(have, want);
      store.append(isSaved ? saved : permitted, want, null, digitsOf(have));
      hashPath(hash, want);
      places.add(hash.low, hash.high);
      folders.add(hash.folders);
      if (isSaved && hashContent(hash, want)) contents.add(hash.low, hash.high);
    },
    isTouchedBy: (have, want) => {
      // The same content in place may be what a rename brings, or makes one rename of several possible ones a tie.
      if (holdsContentOf(have) || holdsContentOf(want)) return true;
      if (!want) return false;
      if (isFolderEntry(want)) return have !== null && !samePermissionsOf(have, want);
      hashPath(hash, want);
      return folders.has(hash.low, hash.high) || places.hasAny(hash.folders);
    },
    writeTo: (lines) =>
      store.each((tag, _, { entry, extra }) => {
        if (tag === saved) lines.save(entry, extra);
        else lines.updatePermissions(entry, extra);
      }, 'forgets'),
  };
};

/** An entry's offset. */
const digitsOf = (entry: Entry): Digits => {
  if (entry.plain) return offsetOf(entry);
  const bytes = Buffer.from(String(rowOfEntry(entry).offset));
  return { bytes, from: 0, to: bytes.length };
};
