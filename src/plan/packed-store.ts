import type { Entry } from '../diff/entry.ts';
import type { Cursor } from './cursor.ts';
import { type Digits, noOffset } from './operation-bytes.ts';
import { canPack, createUnpacked, pack, packedMost, type Unpacked, unpack } from './packed.ts';

const chunkBytes = 512 * 1024;
/** More than any chunk takes: a position is the chunk's number times this, and where in the chunk. */
const stride = 2 ** 23;
const none: Digits = { ...noOffset, to: 0 };
const sharedMost = 255;

/** Tag of an item of two records. */
export const twoRecords = 2;

type OnItem = (tag: number, position: number, first: Unpacked, second: Unpacked) => void;

/**
 * Records of changes, packed one after the other: a quarter of the room that rows take, and none in the collected heap. An
 * item is a tag (0 to 255) with one record or two. With `sharesPaths` a path's beginning is kept once for a run of items,
 * which can then only be read in turn.
 */
export type PackedStore = {
  append(tag: number, first: Entry, second?: Entry | null, extra?: Digits): void;
  /** Reads every item. What `forgets` is let go behind the reader. */
  each(onItem: OnItem, forgets?: 'forgets'): void;
  /** Reads the first record of an item. */
  read(position: number, into: Unpacked): void;
  retag(position: number, tag: number): void;
};

export const createPackedStore = ({ sharesPaths }: { readonly sharesPaths: boolean }): PackedStore => {
  const chunks: Cursor[] = [];
  let last: Cursor = { bytes: Buffer.alloc(0), at: 0 };
  /** The path before, as the reader will have it. */
  let path = Buffer.alloc(sharedMost);
  let pathLength = 0;
  const sharedWith = (entry: Entry): number => {
    if (!sharesPaths || !canPack(entry)) return 0;
    const length = Math.min(entry.pathTo - entry.pathFrom, sharedMost);
    let shared = 0;
    while (shared < length && shared < pathLength && entry.bytes[entry.pathFrom + shared] === path[shared]) shared += 1;
    for (let at = shared; at < length; at++) path[at] = entry.bytes[entry.pathFrom + at] as number;
    pathLength = length;
    return shared;
  };
  const cursor: Cursor = { bytes: path, at: 0 };
  return {
    append: (tag, first, second = null, extra = none) => {
      const needed = 1 + packedMost(first, extra) + (second ? packedMost(second, none) : 0);
      if (last.at + needed > last.bytes.length) {
        last = { bytes: Buffer.allocUnsafeSlow(Math.max(chunkBytes, needed)), at: 0 };
        chunks.push(last);
      }
      last.bytes[last.at++] = tag;
      pack(last, first, sharedWith(first), extra);
      if (second) pack(last, second, 0, none);
    },
    each: (onItem, forgets) => {
      const [first, second] = [createUnpacked(), createUnpacked()];
      for (const [index, chunk] of chunks.entries()) {
        const end = chunk.at;
        const reader: Cursor = { bytes: chunk.bytes, at: 0 };
        while (reader.at < end) {
          const position = index * stride + reader.at;
          const tag = chunk.bytes[reader.at++] as number;
          unpack(reader, first);
          if (tag === twoRecords) unpack(reader, second);
          onItem(tag, position, first, second);
        }
        if (forgets) chunk.bytes = path;
      }
    },
    read: (position, into) => {
      cursor.bytes = (chunks[Math.floor(position / stride)] as Cursor).bytes;
      cursor.at = (position % stride) + 1;
      unpack(cursor, into);
    },
    retag: (position, tag) => {
      (chunks[Math.floor(position / stride)] as Cursor).bytes[position % stride] = tag;
    },
  };
};
