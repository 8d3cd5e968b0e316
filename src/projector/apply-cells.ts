import type { LogEvent } from '../../events/event.ts';
import { bufferOf, sharedLength, viewOf } from '../../projections/four-bytes.ts';
import {
  createBlock,
  etagCell,
  keyCell,
  modifiedCell,
  packCells,
  packedColumns,
  packedWords,
  packText,
  permissionsCell,
  permissionsIn,
  setPermissions,
  sizeCell,
} from '../../projections/packed-cells.ts';
import { type PackedRows, rowBytesMax } from '../../projections/packed-rows.ts';
import { nowhere } from '../../projections/path-index.ts';
import { type Cells, createCells, nullBegins, place, readCells } from '../log/cells.ts';

/** The first two letters of a type, which no other type has. */
export const letters = (type: LogEvent['type']): number => (type.charCodeAt(0) << 8) | type.charCodeAt(1);
const [creates, deletes, changesPermission] = [letters('create'), letters('delete'), letters('change_permission')];

const [slash, zero] = [0x2f, 0x30] as const;

/** Words are that wide: a log that is longer is for the ordinary fold. */
const offsetMax = 2 ** 32 - 1;

/** A bucket event as its cells lie in a window; `hash` is its path's, `length` what it takes there. */
export type EventAt = { bytes: DataView; cells: Cells; hash: number; type: number; length: number };

/**
 * What each event does to packed rows: evolve.ts, said for bytes. Returns false, and has changed nothing, for one that is not
 * for this fold. Cells in their usual form stay packed; the others take the slower way through their JSON.
 */
export const createApply = (rows: PackedRows, rowsLookedAtMax: number): ((event: EventAt) => boolean) => {
  let { from, to } = createCells();
  let bytes: DataView = new DataView(new ArrayBuffer(0));
  let hash = 0;
  let length = 0;
  let looked = 0;
  /** Where the event says what a row keeps packed. */
  const said = { from: new Int32Array(packedColumns.length), to: new Int32Array(packedColumns.length) };
  const block = createBlock(rowBytesMax);

  const isNull = (column: number): boolean => bytes.getUint8(from[column] as number) === nullBegins;
  /** Whether the event names a key beside the path in that column: see `keyAt`. Both cells are JSON of one writer. */
  const hasKeyBeside = (path: number): boolean => {
    if (isNull(place.key)) return false;
    const key = from[place.key] as number;
    const length = (to[place.key] as number) - key;
    const pathFrom = from[path] as number;
    return length !== (to[path] as number) - pathFrom || sharedLength(bytes, key, bytes, pathFrom, length) < length;
  };
  const find = (): number => rows.find(bytes, from[place.path] as number, to[place.path] as number, hash);
  const fits = (row: number): boolean => (row === nowhere ? 0 : rows.lengthOf(row)) + length <= rowBytesMax;
  const say = (cell: number, column: number): void => {
    said.from[cell] = from[column] as number;
    said.to[cell] = to[column] as number;
  };
  const offsetOf = (): number => {
    let offset = 0;
    for (let at = from[place.offset] as number, end = to[place.offset] as number; at < end; at++)
      offset = offset * 10 + bytes.getUint8(at) - zero;
    return offset;
  };
  const textOf = (bytes: DataView, at: number, end: number): string => bufferOf(bytes, at, end).toString('utf8');

  const saidAt = (column: number): string => textOf(bytes, from[column] as number, to[column] as number);

  /** The JSON of each cell that a row keeps packed. */
  const textsOf = (row: number): string[] => {
    const text = Buffer.from(`[${rows.textOf(row)}]`);
    const { from, to } = createCells();
    readCells(viewOf(text), 0, { from, to });
    return packedColumns.map((_, cell) => text.toString('utf8', from[2 + cell], to[2 + cell]));
  };
  const saidTexts = (): string[] =>
    packedColumns.map((_, cell) => textOf(bytes, said.from[cell] as number, said.to[cell] as number));

  /** Puts into the block what a create says of a file; permissions stay as they were where it says nothing of them. */
  const packContent = (before: number): number => {
    // What only an outcome has is null.
    say(keyCell, hasKeyBeside(place.path) ? place.key : place.operation);
    say(sizeCell, place.size);
    say(etagCell, place.etag);
    say(permissionsCell, place.permissions);
    say(modifiedCell, isNull(place.modified_at) ? place.time : place.modified_at);
    const keepsPermissions = before !== nowhere && isNull(place.permissions);
    if (packCells(block, bytes, said) && !(keepsPermissions && rows.isText(before))) {
      if (keepsPermissions) setPermissions(block, 0, rows.permissionsOf(before));
      return packedWords;
    }
    const texts = saidTexts();
    if (keepsPermissions) texts[permissionsCell] = textsOf(before)[permissionsCell] as string;
    return packText(block, texts.join(','));
  };

  const create = (offset: number): boolean => {
    const before = find();
    if (!fits(before)) return false;
    const words = packContent(before);
    if (before !== nowhere) {
      rows.setOffset(rows.replaceBlock(before, block, words), offset);
      return true;
    }
    const pathFrom = from[place.path] as number;
    const pathTo = to[place.path] as number;
    const row = rows.begin(pathTo - pathFrom, words);
    rows.addPath(bytes, pathFrom, pathTo);
    rows.setCells(row, offset, block, words);
    rows.setOffset(row, offset);
    rows.endThere(row);
    return true;
  };

  /** Of the row that was found last. */
  const changePermissions = (row: number, offset: number): void => {
    const at = from[place.permissions] as number;
    const end = to[place.permissions] as number;
    const permissions = permissionsIn(bytes, at, end);
    let changed = row;
    if (permissions > 0 && !rows.isText(row)) rows.setPermissions(row, permissions);
    else {
      const texts = textsOf(row);
      texts[permissionsCell] = textOf(bytes, at, end);
      changed = rows.replaceBlock(row, block, packText(block, texts.join(',')));
    }
    rows.setOffset(changed, offset);
  };

  const carry = (offset: number): boolean => {
    const row = find();
    if (!fits(row)) return false;
    if (row === nowhere || isNull(place.to)) return true;
    rows.remove();
    const toFrom = from[place.to] as number;
    const toTo = to[place.to] as number;
    let moved = nowhere;
    if (isNull(place.key) && isNull(place.size) && isNull(place.etag)) {
      moved = rows.begin(toTo - toFrom, rows.blockWords(row));
      rows.addPath(bytes, toFrom, toTo);
      rows.copyCells(moved, row);
    } else {
      const texts = textsOf(row);
      if (!isNull(place.key)) texts[keyCell] = hasKeyBeside(place.to) ? saidAt(place.key) : 'null';
      if (!isNull(place.size)) texts[sizeCell] = saidAt(place.size);
      if (!isNull(place.etag)) texts[etagCell] = saidAt(place.etag);
      const words = packText(block, texts.join(','));
      moved = rows.begin(toTo - toFrom, words);
      rows.addPath(bytes, toFrom, toTo);
      rows.setCells(moved, rows.fileIdOf(row), block, words);
    }
    rows.setOffset(moved, offset);
    rows.free(row);
    rows.end(moved);
    return true;
  };

  /** An event for all beneath a folder. */
  const applyToTree = (type: number, offset: number): boolean => {
    looked += rows.count();
    if (looked > rowsLookedAtMax) return false;
    if (type !== deletes && type !== changesPermission && isNull(place.to)) return false;
    // The path's cell without its last quote.
    const pathFrom = from[place.path] as number;
    const pathTo = (to[place.path] as number) - 1;
    const found = rows.beneath(bytes, pathFrom, pathTo);
    if (found.some((row) => !fits(row))) return false;
    if (type === changesPermission) {
      if (isNull(place.permissions)) return true;
      for (const row of found) {
        rows.findAgain(row);
        changePermissions(row, offset);
      }
      return true;
    }
    for (const row of found) {
      rows.findAgain(row);
      rows.remove();
    }
    const toFrom = from[place.to] as number;
    const toTo = (to[place.to] as number) - 1;
    for (const row of found) {
      if (type !== deletes) {
        const restFrom = rows.pathFrom(row) + pathTo - pathFrom;
        const moved = rows.begin(toTo - toFrom + rows.pathTo(row) - restFrom, rows.blockWords(row));
        rows.addPath(bytes, toFrom, toTo);
        rows.addPath(rows.bytesOf(row), restFrom, rows.pathTo(row));
        rows.copyCells(moved, row);
        rows.setOffset(moved, offset);
        rows.end(moved);
      }
      rows.free(row);
    }
    return true;
  };

  return (event) => {
    ({ bytes, hash, length } = event);
    ({ from, to } = event.cells);
    const { type } = event;
    const offset = offsetOf();
    if (offset > offsetMax) return false;
    const isTree = bytes.getUint8((to[place.path] as number) - 2) === slash && type !== creates && isNull(place.scope);
    if (isTree) return applyToTree(type, offset);
    if (type === creates) return create(offset);
    const row = type === deletes || type === changesPermission ? find() : nowhere;
    if (type === deletes) {
      if (row === nowhere) return true;
      rows.remove();
      rows.free(row);
      return true;
    }
    if (type !== changesPermission) return carry(offset);
    if (!fits(row)) return false;
    if (row !== nowhere && !isNull(place.permissions)) changePermissions(row, offset);
    return true;
  };
};
