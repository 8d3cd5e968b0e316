import { insist } from '../log/check-log.ts';
import { checksumAt } from '../log/read-log.ts';
import { type Place, type Rows, readRows, type Window, windowOf } from '../log/window.ts';
import type { Database } from '../storage/database.ts';

/** The log from a place on, window by window. */
export type Reader<T = Window> = {
  /** Undefined at the end, and where the log cannot be read: then `error` says why, and what was read before still holds. */
  next(): Promise<T | undefined>;
  readonly error?: unknown;
};

/**
 * The log after the offset `after`, up to `end`. While a window is folded the next ones are read, one by each connection:
 * two of them keep a core busy that one leaves idle whenever this thread is too late to ask for more.
 */
export const readOn = async (
  logs: readonly [Database, ...Database[]],
  after: number,
  end: number,
  windowEvents: number,
): Promise<Reader> => {
  let place: Place = { offset: after, checksum: (await checksumAt(logs[0], after)) ?? 0 };
  let asked = after;
  let turn = 0;
  const coming: { readonly through: number; readonly rows: Promise<Rows | undefined> }[] = [];
  const ask = (): void => {
    if (asked >= end) return;
    const through = Math.min(end, asked + windowEvents);
    const rows = readRows(logs[turn++ % logs.length] as Database, asked, through);
    // What it throws is thrown where it is awaited.
    rows.catch(() => undefined);
    coming.push({ through, rows });
    asked = through;
  };
  const take = async (): Promise<Window | undefined> => {
    const next = coming.shift();
    if (!next) return undefined;
    const rows = await next.rows;
    ask();
    const window = windowOf(rows, place);
    // A damaged event is never folded.
    if (window.computed !== window.stored || window.last !== next.through)
      await insist(logs[0], place.offset + 1, next.through);
    place = { offset: window.last, checksum: window.stored };
    return window;
  };
  for (const _ of logs) ask();
  const reader: { -readonly [K in keyof Reader]: Reader[K] } = {
    next: async () => {
      try {
        return await take();
      } catch (error) {
        reader.error = error;
        return undefined;
      }
    },
  };
  return reader;
};
