import { copyBytes, sharedLength } from '../../projections/four-bytes.ts';
import type { Entry } from '../diff/entry.ts';
import { type Cursor, createCursor } from './cursor.ts';
import { type Digits, noOffset } from './operation-bytes.ts';
import { canPack, createUnpacked, pack, packedMost, type Unpacked, unpack } from './packed.ts';

const chunkBytes = 512 * 1024;
/** More than any chunk takes: a position is the chunk's number times this, and where in the chunk. */
const stride = 2 ** 23;
/** `| 0`: positions may be kept as fractions are, and offsets that come of them must not be. */
const offsetIn = (position: number): number => (position % stride) | 0;
const chunkOf = (position: number): number => (position / stride) | 0;
const none: Digits = { ...noOffset, to: 0 };
const sharedMost = 255;

/** Tag of an item of two records. */
export const twoRecords = 2;

type OnItem = (tag: number, position: number, first: Unpacked, second: Unpacked) => void;

/**
 * Records of changes, packed one after the other: a fifth of the room that rows take, and none in the collected heap. An
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
  let last = createCursor(0);
  /** The path before, as the reader will have it. */
  const path = new DataView(new ArrayBuffer(sharedMost));
  let pathLength = 0;
  const sharedWith = (entry: Entry): number => {
    if (!sharesPaths || !canPack(entry)) return 0;
    const length = Math.min(entry.pathTo - entry.pathFrom, sharedMost);
    const shared = sharedLength(path, 0, entry.bytes, entry.pathFrom, Math.min(length, pathLength));
    pathLength = copyBytes(path, shared, entry.bytes, entry.pathFrom + shared, entry.pathFrom + length);
    return shared;
  };
  const cursor: Cursor = { bytes: path, at: 0 };
  return {
    append: (tag, first, second = null, extra = none) => {
      const needed = 1 + packedMost(first, extra) + (second ? packedMost(second, none) : 0);
      if (last.at + needed > last.bytes.byteLength) {
        last = createCursor(Math.max(chunkBytes, needed));
        chunks.push(last);
      }
      last.bytes.setUint8(last.at++, tag);
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
          const tag = chunk.bytes.getUint8(reader.at++);
          unpack(reader, first);
          if (tag === twoRecords) unpack(reader, second);
          onItem(tag, position, first, second);
        }
        if (forgets) chunk.bytes = path;
      }
    },
    read: (position, into) => {
      cursor.bytes = (chunks[chunkOf(position)] as Cursor).bytes;
      cursor.at = offsetIn(position) + 1;
      unpack(cursor, into);
    },
    retag: (position, tag) => {
      (chunks[chunkOf(position)] as Cursor).bytes.setUint8(offsetIn(position), tag);
    },
  };
};
