import { randomInt } from 'node:crypto';
import { column } from '../../projections/rows.ts';
import { type Entry, fromOf, isFolderEntry, rowOfEntry, toOf } from '../diff/entry.ts';
import { createHashSet, type Hashes } from './hash-set.ts';
import { contentKey } from './lives.ts';
import { diskName } from './paths.ts';

const [slash, zero, upperA, upperZ, beyondAscii] = [0x2f, 0x30, 0x41, 0x5a, 0x80] as const;

/** The folders around paths that come in path order: most share theirs with the path before. */
export const createFolders = () => {
  const known = createHashSet();
  let low = 0;
  let high = 0;
  return {
    add: (folders: Hashes): void => {
      const last = folders.length - 2;
      if (last < 0 || (folders[last] === low && folders[last + 1] === high)) return;
      low = folders[last] as number;
      high = folders[last + 1] as number;
      for (let at = 0; at <= last; at += 2) known.add(folders[at] as number, folders[at + 1] as number);
    },
    /** Whether the path of this hash is such a folder's name, without its slash. */
    has: known.has,
  };
};

/** The hash of a text, and those of the folders around it, without their slashes. Each call overwrites what was there. */
export type PathHash = { low: number; high: number; readonly folders: number[] };

export const createPathHash = (): PathHash => ({ low: 0, high: 0, folders: [] });

/** Names made to collide would have to know it. */
const seed = randomInt(2 ** 31);

const hashBytes = (hash: PathHash, bytes: Buffer, from: number, to: number): void => {
  let low = seed;
  let high = 0;
  hash.folders.length = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    if (byte === slash) hash.folders.push(low, high);
    low = Math.imul(low ^ byte, 0x01000193);
    high = Math.imul(((high << 5) | (high >>> 27)) ^ byte, 0x9e3779b1);
  }
  hash.low = low;
  hash.high = high;
};

let folded = Buffer.alloc(1_024);

/** Hashes the disk name of an entry's path. */
export const hashDiskName = (hash: PathHash, { path, pathFrom, pathTo }: Entry): void => {
  const length = pathTo - pathFrom;
  if (length > folded.length) folded = Buffer.alloc(length);
  for (let at = 0; at < length; at++) {
    const byte = path[pathFrom + at] as number;
    if (byte >= beyondAscii) {
      const name = Buffer.from(diskName(path.toString('utf8', pathFrom, pathTo)));
      return hashBytes(hash, name, 0, name.length);
    }
    folded[at] = byte >= upperA && byte <= upperZ ? byte + 0x20 : byte;
  }
  hashBytes(hash, folded, 0, length);
};

/** Hashes an entry's `contentKey`; false where there is none. */
export const hashContent = (hash: PathHash, entry: Entry): boolean => {
  if (!entry.plain) {
    const key = contentKey(rowOfEntry(entry));
    if (key === undefined) return false;
    const bytes = Buffer.from(key.replace(':', ','));
    hashBytes(hash, bytes, 0, bytes.length);
    return true;
  }
  // Size and etag stand side by side.
  const from = fromOf(entry, column.size);
  const to = toOf(entry, column.etag);
  const isNothing = toOf(entry, column.size) === from || entry.bytes[from] === zero;
  if (isNothing || fromOf(entry, column.etag) === to || isFolderEntry(entry)) return false;
  hashBytes(hash, entry.bytes, from, to);
  return true;
};
