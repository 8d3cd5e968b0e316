import type { Entry } from '../diff/entry.ts';
import { type Cursor, createCursor } from './cursor.ts';
import { type Digits, noOffset } from './operation-bytes.ts';
import { createUnpacked, pack, packedMost, type Unpacked, unpack, type WholePath } from './packed.ts';

const chunkBytes = 512 * 1024;
/** More than any chunk takes: a position is the chunk's number times this, and where in the chunk. */
const stride = 2 ** 23;
/** `| 0`: positions may be kept as fractions are, and offsets that come of them must not be. */
const offsetIn = (position: number): number => (position % stride) | 0;
const chunkOf = (position: number): number => (position / stride) | 0;
const none: Digits = { ...noOffset, to: 0 };

/** Tag of an item of two records. */
export const twoRecords = 2;

type OnItem = (tag: number, position: number, first: Unpacked, second: Unpacked) => void;

/**
 * Records of changes, packed one after the other: a fifth of the room that rows take, and none in the collected heap. An
 * item is a tag (0 to 255) with one record or two. What their paths begin with is kept once for a run of items.
 */
export type PackedStore = {
  append(tag: number, first: Entry, second?: Entry | null, extra?: Digits): void;
  /** Reads every item. What `forgets` is let go behind the reader. */
  each(onItem: OnItem, forgets?: 'forgets'): void;
  /** Reads the first record of an item. */
  read(position: number, into: Unpacked): void;
  retag(position: number, tag: number): void;
  tagOf(position: number): number;
};

export const createPackedStore = (): PackedStore => {
  const chunks: Cursor[] = [];
  const empty = createCursor(0);
  let last = empty;
  const whole: WholePath = { from: 0, to: 0 };
  const cursor: Cursor = { bytes: empty.bytes, at: 0 };
  return {
    append: (tag, first, second = null, extra = none) => {
      const needed = 1 + packedMost(first, extra) + (second ? packedMost(second, none) : 0);
      if (last.at + needed > last.bytes.byteLength) {
        last = createCursor(Math.max(chunkBytes, needed));
        chunks.push(last);
        whole.to = whole.from = 0;
      }
      last.bytes.setUint8(last.at++, tag);
      pack(last, first, whole, extra);
      if (second) pack(last, second, whole, none);
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
        if (forgets) chunk.bytes = empty.bytes;
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
    tagOf: (position) => (chunks[chunkOf(position)] as Cursor).bytes.getUint8(offsetIn(position)),
  };
};
