import { viewOf } from '../../projections/four-bytes.ts';
import { type Entry, isFolderEntry, rowOfEntry, sameContentOf, samePermissionsOf } from '../diff/entry.ts';
import { createHashList, type HashList } from './hash-set.ts';
import { createNesting } from './nesting.ts';
import { type Digits, offsetOf } from './operation-bytes.ts';
import type { OperationLines } from './operation-lines.ts';
import { createPackedStore } from './packed-store.ts';
import { createPathHash, hashContent } from './path-hashes.ts';

const [saved, permitted] = [0, 1] as const;

/** Changes that leave a file where it is: no other operation waits for theirs, and they wait for none. */
export type Settled = {
  add(have: Entry, want: Entry): void;
  /** Takes note of another change, when its turn comes in path order. */
  passBy(have: Entry | null, want: Entry | null): void;
  /** Whether other changes have to do with one of these after all: a file beside a folder of its name, a whole folder's permissions. */
  isTouched(): boolean;
  /**
   * The content that is saved in place. It may also be what a rename brings, or make one rename of several possible ones a
   * tie.
   */
  readonly contents: HashList;
  /** Writes their operations, in path order, and lets go of them. */
  writeTo(lines: OperationLines): void;
};

export const createSettled = (): Settled => {
  const store = createPackedStore();
  const contents = createHashList();
  const nesting = createNesting();
  const hash = createPathHash();
  let isTouched = false;
  return {
    add: (have, want) => {
      const isSaved = !sameContentOf(have, want);
      store.append(isSaved ? saved : permitted, want, null, digitsOf(have));
      if (isSaved && hashContent(hash, want)) contents.add(hash.low, hash.high);
      if (nesting.add(want, true)) isTouched = true;
    },
    passBy: (have, want) => {
      if (!want) return;
      if (nesting.add(want, false)) isTouched = true;
      if (have && isFolderEntry(want) && !samePermissionsOf(have, want)) isTouched = true;
    },
    isTouched: () => isTouched,
    contents,
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
  const bytes = viewOf(Buffer.from(String(rowOfEntry(entry).offset)));
  return { bytes, from: 0, to: bytes.byteLength };
};
