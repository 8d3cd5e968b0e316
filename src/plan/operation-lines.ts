import type { OperationKind } from '../../events/event.ts';
import { bufferOf, sharedLength } from '../../projections/four-bytes.ts';
import { type Entry, parentLength, rowOfEntry } from '../diff/entry.ts';
import { createCursor } from './cursor.ts';
import { deleteDraft, moveDraft, permissionsDraft, saveDraft } from './drafts.ts';
import type { Operation } from './operation.ts';
import { type Digits, digestOf, frameBytes, type Line, noOffset, offsetOf, putLine } from './operation-bytes.ts';
import { withId } from './operation-id.ts';

/** Lines are printed this many bytes at a time: a write for each would cost more than the diff. */
const blockBytes = 64 * 1024;

export type Counts = Readonly<Record<OperationKind | 'operations', number>>;

/** Writes operations as lines of JSON: those of plain records byte by byte, from the records themselves. */
export type OperationLines = {
  /** `from` is the offset of the row that is replaced in place. */
  save(want: Entry, from?: Digits): void;
  updatePermissions(want: Entry, from: Digits): void;
  delete(have: Entry): void;
  move(have: Entry, want: Entry): void;
  add(operation: Operation): void;
  /** Prints what is left. */
  finish(): Counts;
};

/** Takes blocks of UTF-8. `isPrinted`: all that it took may be overwritten. */
export type Printer = { readonly print: (text: Uint8Array) => void; readonly isPrinted?: () => boolean };

/** Without a printer operations are only counted. */
export const createOperationLines = (printer?: Printer): OperationLines => {
  const counts = { save: 0, delete: 0, rename: 0, move: 0, update_permissions: 0, operations: 0 };
  const block = createCursor(blockBytes);
  const hashed = createCursor(frameBytes);
  const flush = (): void => {
    if (block.at === 0) return;
    printer?.print(bufferOf(block.bytes, 0, block.at));
    if (printer?.isPrinted?.() !== true) block.bytes = createCursor(block.bytes.byteLength).bytes;
    block.at = 0;
  };
  const count = (kind: OperationKind): void => {
    counts[kind] += 1;
    counts.operations += 1;
  };
  const add = (operation: Operation): void => {
    count(operation.kind);
    if (!printer) return;
    const line = `${JSON.stringify(operation)}\n`;
    const room = line.length * 3;
    if (block.bytes.byteLength - block.at < room) flush();
    if (block.bytes.byteLength < room) printer.print(Buffer.from(line));
    else block.at += bufferOf(block.bytes, block.at, block.at + room).write(line);
  };
  const write = (line: Line): void => {
    count(line.kind);
    if (!printer) return;
    const needed = frameBytes + room(line.path) + room(line.row);
    if (hashed.bytes.byteLength < needed) hashed.bytes = createCursor(needed * 2).bytes;
    if (block.bytes.byteLength - block.at < needed) flush();
    if (block.bytes.byteLength < needed) block.bytes = createCursor(needed).bytes;
    putLine(block, digestOf(hashed, line), line);
  };
  return {
    save: (want, from = noOffset) => {
      if (want.plain) write({ kind: 'save', path: want, to: undefined, row: want, from, until: offsetOf(want) });
      else add(withId(saveDraft(rowOfEntry(want), null, numberOf(from), 0).operation));
    },
    updatePermissions: (want, from) => {
      const kind = 'update_permissions';
      if (want.plain) return write({ kind, path: want, to: undefined, row: want, from, until: offsetOf(want) });
      const row = rowOfEntry(want);
      add(withId(permissionsDraft({ ...row, offset: numberOf(from) }, row).operation));
    },
    delete: (have) => {
      if (have.plain)
        write({ kind: 'delete', path: have, to: undefined, row: have, from: offsetOf(have), until: noOffset });
      else add(withId(deleteDraft(rowOfEntry(have)).operation));
    },
    move: (have, want) => {
      if (!have.plain || !want.plain)
        return add(withId(moveDraft({ have: rowOfEntry(have), want: rowOfEntry(want) }, 0).operation));
      const kind = kindOfMove(have, want);
      write({ kind, path: have, to: want, row: want, from: offsetOf(have), until: offsetOf(want) });
    },
    add,
    finish: () => {
      flush();
      return counts;
    },
  };
};

const room = ({ length, pathFrom, pathTo }: Entry): number => length + pathTo - pathFrom;

const numberOf = ({ bytes, from, to }: Digits): number => Number(bufferOf(bytes, from, to).toString('latin1'));

/** `rename` keeps the folder. */
const kindOfMove = (have: Entry, want: Entry): 'rename' | 'move' => {
  const length = parentLength(have);
  return length === parentLength(want) &&
    sharedLength(have.path, have.pathFrom, want.path, want.pathFrom, length) === length
    ? 'rename'
    : 'move';
};
