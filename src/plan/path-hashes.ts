import { randomInt } from 'node:crypto';
import { indexOfByte, isAscii, lowerCase, viewOf, wordBytes } from '../../projections/four-bytes.ts';
import { column } from '../../projections/rows.ts';
import { type Entry, fromOf, isFolderEntry, rowOfEntry, textOfPath, toOf } from '../diff/entry.ts';
import { createHashSet, type HashSet } from './hash-set.ts';
import { contentKey } from './lives.ts';
import { diskName } from './paths.ts';

const [slashes, zero] = [0x2f2f2f2f, 0x30] as const;

/** The folders around paths that come in path order: most share theirs with the path before. */
export const createFolders = () => {
  const known = createHashSet();
  let low = 0;
  let high = 0;
  return {
    add: ({ folders, depth }: PathHash): void => {
      const last = 2 * depth - 2;
      if (last < 0 || (folders[last] === low && folders[last + 1] === high)) return;
      low = folders[last] as number;
      high = folders[last + 1] as number;
      for (let at = 0; at <= last; at += 2) known.add(folders[at] as number, folders[at + 1] as number);
    },
    /** Whether the path of this hash is such a folder's name, without its slash. */
    has: known.has,
  };
};

/**
 * The hash of a text, and those of the `depth` folders around it, without their slashes: two numbers each. Each call
 * overwrites what was there.
 */
export type PathHash = { low: number; high: number; readonly folders: number[]; depth: number };

export const createPathHash = (): PathHash => ({ low: 0, high: 0, folders: [], depth: 0 });

/** Whether one of the folders around a path is in a set. */
export const hasFolder = (set: HashSet, { folders, depth }: PathHash): boolean => {
  for (let at = 0; at < 2 * depth; at += 2) if (set.has(folders[at] as number, folders[at + 1] as number)) return true;
  return false;
};

/** Names made to collide would have to know them. */
const [lowSeed, highSeed] = [randomInt(2 ** 31), randomInt(2 ** 31)];

const begin = (hash: PathHash): void => {
  hash.low = lowSeed;
  hash.high = highSeed;
  hash.depth = 0;
};

const mix = (hash: PathHash, word: number): void => {
  hash.low = Math.imul(((hash.low << 13) | (hash.low >>> 19)) ^ word, 0x85ebca6b);
  hash.high = Math.imul(((hash.high << 5) | (hash.high >>> 27)) ^ word, 0x9e3779b1);
};

/** Mixes in a run of bytes, in words and what is left of one. Letters are `folded`, where case is not to count. */
const mixBytes = (hash: PathHash, bytes: DataView, from: number, to: number, folded: boolean): void => {
  let at = from;
  for (; at + wordBytes <= to; at += wordBytes) {
    const word = bytes.getInt32(at, true);
    mix(hash, folded ? lowerCase(word) : word);
  }
  let rest = 0;
  for (; at < to; at++) rest = (rest << 8) | bytes.getUint8(at);
  mix(hash, folded ? lowerCase(rest) : rest);
};

/** Folder by folder, so that a folder has one hash, whatever lies in it. */
const hashPath = (hash: PathHash, path: DataView, from: number, to: number): void => {
  begin(hash);
  for (let at = from; ; at += 1) {
    const end = indexOfByte(path, slashes, at, to);
    mixBytes(hash, path, at, end, true);
    if (end === to) return;
    hash.folders[2 * hash.depth] = hash.low;
    hash.folders[2 * hash.depth + 1] = hash.high;
    hash.depth += 1;
    at = end;
  }
};

const isAsciiPath = ({ path, pathFrom, pathTo }: Entry): boolean => {
  let bits = 0;
  let at = pathFrom;
  for (; at + wordBytes <= pathTo; at += wordBytes) bits |= path.getInt32(at, true);
  for (; at < pathTo; at++) bits |= path.getUint8(at);
  return isAscii(bits);
};

/** Hashes the disk name of an entry's path. */
export const hashDiskName = (hash: PathHash, entry: Entry): void => {
  const { path, pathFrom, pathTo } = entry;
  if (isAsciiPath(entry)) return hashPath(hash, path, pathFrom, pathTo);
  const name = Buffer.from(diskName(textOfPath(entry)));
  hashPath(hash, viewOf(name), 0, name.length);
};

const hashContentBytes = (hash: PathHash, bytes: DataView, from: number, to: number): void => {
  begin(hash);
  mixBytes(hash, bytes, from, to, false);
};

/** Hashes an entry's `contentKey`; false where there is none. */
export const hashContent = (hash: PathHash, entry: Entry): boolean => {
  if (!entry.plain) {
    const key = contentKey(rowOfEntry(entry));
    if (key === undefined) return false;
    const bytes = Buffer.from(key.replace(':', ','));
    hashContentBytes(hash, viewOf(bytes), 0, bytes.length);
    return true;
  }
  // Size and etag stand side by side.
  const from = fromOf(entry, column.size);
  const to = toOf(entry, column.etag);
  const isNothing = toOf(entry, column.size) === from || entry.bytes.getUint8(from) === zero;
  if (isNothing || fromOf(entry, column.etag) === to || isFolderEntry(entry)) return false;
  hashContentBytes(hash, entry.bytes, from, to);
  return true;
};
