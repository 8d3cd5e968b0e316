import { wordBytes } from './four-bytes.ts';
import { hexIn, writeHex } from './hex-digits.ts';

/**
 * What a row says beside its path and its offsets: the columns from `key` to `modified_at`, packed into words. As most rows
 * have them (no key, a size, an MD5 as hexadecimal digits, `0644`, a time to the millisecond) they take 32 bytes, a third of
 * their JSON. Where a cell has another form, the row keeps the JSON of all. Either way the same bytes come back.
 */
export type Block = { readonly words: Int32Array; readonly bytes: Buffer; readonly view: DataView };

export const createBlock = (words: number): Block => {
  const memory = new ArrayBuffer(words * wordBytes);
  return { words: new Int32Array(memory), bytes: Buffer.from(memory), view: new DataView(memory) };
};

/** Where cells lie in some bytes, each JSON as SQLite writes it, in the order of `packedColumns`. */
export type PackedCells = { readonly from: Int32Array; readonly to: Int32Array };

export const packedColumns = ['key', 'size', 'etag', 'permissions', 'modified_at'] as const;
export const [keyCell, sizeCell, etagCell, permissionsCell, modifiedCell] = [0, 1, 2, 3, 4] as const;

/** Words that packed cells take: traits and the size's high half, its low half, date, time of day, etag. */
export const packedWords = 8;

// Traits, the lower half of the first word. The upper half is the size's, or the text's length in bytes.
const permissionsMask = 0x1fff;
const hasNoEtag = 0x2000;
const hasNoSize = 0x4000;
const hasText = 0x8000;

const [zero, quote, nullBegins, comma] = [0x30, 0x22, 0x6e, 0x2c] as const;
const timeForm = Buffer.from('"0000-00-00T00:00:00.000Z"');
/** The place behind the date. */
const dateEnd = 11;
const etagBytes = 34;

/** A number in at most 14 digits, written in the one usual way; -1 for all else. */
const numberIn = (bytes: DataView, from: number, to: number): number => {
  if (to - from > 14 || (to - from > 1 && bytes.getUint8(from) === zero)) return -1;
  let number = 0;
  for (let at = from; at < to; at++) {
    const digit = bytes.getUint8(at) - zero;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
};

/** `"0644"` and its like as a number above 0, null as 0; -1 for all else. */
export const permissionsIn = (bytes: DataView, from: number, to: number): number => {
  if (bytes.getUint8(from) === nullBegins) return 0;
  if (to - from !== 6 || bytes.getUint8(from + 1) !== zero) return -1;
  let mode = 0;
  for (let at = from + 2; at < to - 1; at++) {
    const digit = bytes.getUint8(at) - zero;
    if (digit < 0 || digit > 7) return -1;
    mode = mode * 8 + digit;
  }
  return mode + 1;
};

const packEtag = (words: Int32Array, bytes: DataView, from: number, to: number): boolean => {
  if (to - from !== etagBytes) return false;
  for (let word = 4, at = from + 1; word < packedWords; word++, at += 2 * wordBytes) {
    const low = hexIn(bytes, at);
    const high = hexIn(bytes, at + wordBytes);
    if ((low | high) < 0) return false;
    words[word] = low | (high << 16);
  }
  return true;
};

/** The digits of the date as one number, and those of the time of day. */
const packTime = (words: Int32Array, bytes: DataView, from: number, to: number): boolean => {
  if (to - from !== timeForm.length) return false;
  let number = 0;
  for (let at = 0; at < timeForm.length; at++) {
    const byte = bytes.getUint8(from + at);
    const expected = timeForm[at] as number;
    if (expected === zero) {
      if (byte < zero || byte > zero + 9) return false;
      number = number * 10 + byte - zero;
    } else if (byte !== expected) return false;
    if (at !== dateEnd) continue;
    words[2] = number;
    number = 0;
  }
  words[3] = number;
  return true;
};

/** Packs the cells. Returns false where one of them has a form of its own: they are for `packText`. */
export const packCells = ({ words }: Block, bytes: DataView, { from, to }: PackedCells): boolean => {
  const at = (cell: number): number => from[cell] as number;
  const end = (cell: number): number => to[cell] as number;
  if (bytes.getUint8(at(keyCell)) !== nullBegins) return false;
  const isSizeless = bytes.getUint8(at(sizeCell)) === nullBegins;
  const size = isSizeless ? 0 : numberIn(bytes, at(sizeCell), end(sizeCell));
  const permissions = permissionsIn(bytes, at(permissionsCell), end(permissionsCell));
  const isEtagless = bytes.getUint8(at(etagCell)) === nullBegins;
  if (size < 0 || permissions < 0) return false;
  if (!isEtagless && !packEtag(words, bytes, at(etagCell), end(etagCell))) return false;
  const traits = permissions | (isEtagless ? hasNoEtag : 0) | (isSizeless ? hasNoSize : 0);
  words[0] = traits | (Math.floor(size / 2 ** 32) << 16);
  words[1] = size | 0;
  return packTime(words, bytes, at(modifiedCell), end(modifiedCell));
};

/** Keeps the cells, with commas between them, as they are; returns the words that they take. */
export const packText = ({ words, bytes }: Block, text: string): number => {
  const length = bytes.write(text, wordBytes);
  words[0] = hasText | (length << 16);
  return 1 + Math.ceil(length / wordBytes);
};

export const isText = ({ words }: Block, at: number): boolean => ((words[at] as number) & hasText) !== 0;

const textBytes = ({ words }: Block, at: number): number => (words[at] as number) >>> 16;

/** The words that what begins at `at` takes. */
export const wordsOf = (block: Block, at: number): number =>
  isText(block, at) ? 1 + Math.ceil(textBytes(block, at) / wordBytes) : packedWords;

/** The permissions of packed cells, as `permissionsIn` has them. */
export const permissionsAt = ({ words }: Block, at: number): number => (words[at] as number) & permissionsMask;
export const setPermissions = ({ words }: Block, at: number, permissions: number): void => {
  words[at] = ((words[at] as number) & ~permissionsMask) | permissions;
};

const sizeIn = (words: Int32Array, at: number): number =>
  ((words[at] as number) >>> 16) * 2 ** 32 + ((words[at + 1] as number) >>> 0);

/** The size that the cells tell; 0 for none. */
export const sizeAt = (block: Block, at: number): number => {
  if (!isText(block, at)) return sizeIn(block.words, at);
  const from = (at + 1) * wordBytes;
  const text = block.bytes.toString('utf8', from, from + textBytes(block, at));
  return Number((JSON.parse(`[${text}]`) as unknown[])[sizeCell]) || 0;
};

/** Each of these writes from `to` on, and returns where it ends. */
export const writeNumber = ({ bytes }: Block, to: number, number: number): number => {
  let end = to + 1;
  for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) end += 1;
  for (let at = end - 1, rest = number; at >= to; at--, rest = Math.floor(rest / 10)) bytes[at] = zero + (rest % 10);
  return end;
};

const writeNull = ({ view }: Block, to: number): number => {
  view.setInt32(to, 0x6c6c756e, true);
  return to + 4;
};

const writeEtag = ({ bytes, view }: Block, to: number, words: Int32Array, first: number): number => {
  bytes[to] = quote;
  for (let word = first, at = to + 1; word < first + 4; word++, at += 2 * wordBytes) {
    const bits = words[word] as number;
    writeHex(view, at, bits & 0xffff);
    writeHex(view, at + wordBytes, bits >>> 16);
  }
  bytes[to + etagBytes - 1] = quote;
  return to + etagBytes;
};

const writePermissions = (page: Block, to: number, permissions: number): number => {
  if (permissions === 0) return writeNull(page, to);
  const { bytes } = page;
  const mode = permissions - 1;
  bytes[to] = quote;
  bytes[to + 1] = zero;
  bytes[to + 2] = zero + (mode >> 6);
  bytes[to + 3] = zero + ((mode >> 3) & 7);
  bytes[to + 4] = zero + (mode & 7);
  bytes[to + 5] = quote;
  return to + 6;
};

const writeTime = ({ bytes }: Block, to: number, date: number, clock: number): number => {
  let rest = clock;
  for (let at = timeForm.length - 1; at >= 0; at--) {
    if (at === dateEnd) rest = date;
    const expected = timeForm[at] as number;
    if (expected === zero) {
      bytes[to + at] = zero + (rest % 10);
      rest = Math.floor(rest / 10);
    } else bytes[to + at] = expected;
  }
  return to + timeForm.length;
};

/** Copies whole words: up to three bytes behind the end may be written too. */
export const writeBytes = ({ view }: Block, to: number, words: Int32Array, at: number, bytes: number): number => {
  for (let word = at, next = to; next < to + bytes; word++, next += wordBytes)
    view.setInt32(next, words[word] as number, true);
  return to + bytes;
};

/** Writes the JSON of the cells, with commas between them. */
export const writeCells = (page: Block, to: number, block: Block, at: number): number => {
  const { words } = block;
  const traits = words[at] as number;
  if (isText(block, at)) return writeBytes(page, to, words, at + 1, textBytes(block, at));
  const { bytes } = page;
  let end = writeNull(page, to);
  bytes[end++] = comma;
  end = traits & hasNoSize ? writeNull(page, end) : writeNumber(page, end, sizeIn(words, at));
  bytes[end++] = comma;
  end = traits & hasNoEtag ? writeNull(page, end) : writeEtag(page, end, words, at + 4);
  bytes[end++] = comma;
  end = writePermissions(page, end, traits & permissionsMask);
  bytes[end++] = comma;
  return writeTime(page, end, words[at + 2] as number, words[at + 3] as number);
};
