import { hash } from 'node:crypto';
import type { OperationKind } from '../../events/event.ts';
import { bufferOf, viewOf } from '../../projections/four-bytes.ts';
import { writeHex } from '../../projections/hex-digits.ts';
import { column } from '../../projections/rows.ts';
import { type Entry, fromOf, toOf } from '../diff/entry.ts';
import { type Cursor, put, putField } from './cursor.ts';

const ascii = (text: string): DataView => viewOf(Buffer.from(text, 'latin1'));
const ofKinds = (text: (kind: OperationKind) => string): Readonly<Record<OperationKind, DataView>> => ({
  save: ascii(text('save')),
  delete: ascii(text('delete')),
  rename: ascii(text('rename')),
  move: ascii(text('move')),
  update_permissions: ascii(text('update_permissions')),
});

const frame = {
  opId: ascii('{"op_id":"'),
  path: ofKinds((kind) => `","kind":"${kind}","path":"`),
  to: ascii('","to":"'),
  size: ascii(',"size":'),
  etag: ascii(',"etag":"'),
  permissions: ascii(',"permissions":"'),
  fileId: ascii(',"file_id":'),
  fromOffset: ascii(',"from_offset":'),
  toOffset: ascii(',"to_offset":'),
  end: ascii('}\n'),
  quote: ascii('"'),
};
/** As `JSON.stringify` writes the array that `withId` hashes. */
const identity = {
  path: ofKinds((kind) => `["${kind}","`),
  to: ascii('","'),
  noTarget: ascii('",null,'),
  quote: ascii('",'),
  end: ascii(']'),
};
const [comma, zero] = [ascii(','), ascii('0')];

/** A number of a plain record, as its digits. */
export type Digits = { readonly bytes: DataView; readonly from: number; readonly to: number };

export const offsetOf = (entry: Entry): Digits => ({
  bytes: entry.bytes,
  from: fromOf(entry, column.offset),
  to: toOf(entry, column.offset),
});

export const noOffset: Digits = { bytes: zero, from: 0, to: zero.byteLength };

const putAll = (cursor: Cursor, source: DataView): void => put(cursor, source, 0, source.byteLength);

const putDigits = (cursor: Cursor, { bytes, from, to }: Digits): void => put(cursor, bytes, from, to);

const putPath = (cursor: Cursor, { path, pathFrom, pathTo }: Entry): void => put(cursor, path, pathFrom, pathTo);

/** A field of the operation, where the record has it. */
const putNamed = (cursor: Cursor, name: DataView, entry: Entry, field: number, after?: DataView): void => {
  if (fromOf(entry, field) === toOf(entry, field)) return;
  putAll(cursor, name);
  putField(cursor, entry, field);
  if (after) putAll(cursor, after);
};

/** An operation on plain records. `row` is the one whose id it has, and whose content it sets, where it does. */
export type Line = {
  readonly kind: OperationKind;
  readonly path: Entry;
  readonly to: Entry | undefined;
  readonly row: Entry;
  readonly from: Digits;
  readonly until: Digits;
};

/** An id is the first bytes of its hash, two digits each. */
const idBytes = 16;

/** More than a line, or what is hashed for its id, takes beside the two records. */
export const frameBytes = 256;

/** What a cursor has written. Kept by length: to make one for each operation takes as long as half of its hash. */
const views = {
  bytes: zero,
  byLength: [] as (Buffer | undefined)[],
  of: ({ bytes, at }: Cursor): Buffer => {
    if (views.bytes !== bytes) {
      views.bytes = bytes;
      views.byLength = [];
    }
    const view = views.byLength[at] ?? bufferOf(bytes, 0, at);
    views.byLength[at] = view;
    return view;
  },
};

/** The same hash as `withId`, a character a byte: its digits take half as long again. The cursor's bytes are overwritten. */
export const digestOf = (cursor: Cursor, { kind, path, to, row, from, until }: Line): string => {
  cursor.at = 0;
  putAll(cursor, identity.path[kind]);
  putPath(cursor, path);
  putAll(cursor, to ? identity.to : identity.noTarget);
  if (to) {
    putPath(cursor, to);
    putAll(cursor, identity.quote);
  }
  putField(cursor, row, column.file_id);
  putAll(cursor, comma);
  putDigits(cursor, from);
  putAll(cursor, comma);
  putDigits(cursor, until);
  putAll(cursor, identity.end);
  return hash('sha256', views.of(cursor), 'binary');
};

const putId = (cursor: Cursor, digest: string): void => {
  for (let byte = 0; byte < idBytes; byte += 2) {
    const two = digest.charCodeAt(byte) | (digest.charCodeAt(byte + 1) << 8);
    // `writeHex` begins with the lower half of a byte, an id with the upper one.
    writeHex(cursor.bytes, cursor.at, ((two & 0x0f0f) << 4) | ((two >>> 4) & 0x0f0f));
    cursor.at += 4;
  }
};

/** The same text as `JSON.stringify` makes of the operation, and a line end. */
export const putLine = (cursor: Cursor, digest: string, { kind, path, to, row, from, until }: Line): void => {
  putAll(cursor, frame.opId);
  putId(cursor, digest);
  putAll(cursor, frame.path[kind]);
  putPath(cursor, path);
  if (to) {
    putAll(cursor, frame.to);
    putPath(cursor, to);
  }
  putAll(cursor, frame.quote);
  if (kind === 'save') {
    putNamed(cursor, frame.size, row, column.size);
    putNamed(cursor, frame.etag, row, column.etag, frame.quote);
  }
  if (kind === 'save' || kind === 'update_permissions')
    putNamed(cursor, frame.permissions, row, column.permissions, frame.quote);
  putAll(cursor, frame.fileId);
  putField(cursor, row, column.file_id);
  putAll(cursor, frame.fromOffset);
  putDigits(cursor, from);
  putAll(cursor, frame.toOffset);
  putDigits(cursor, until);
  putAll(cursor, frame.end);
};
