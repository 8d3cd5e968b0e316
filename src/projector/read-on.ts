import { insist } from '../log/check-log.ts';
import { type Place, readWindow, type Window } from '../log/window.ts';
import type { Database } from '../storage/database.ts';

/** The log from a place on, window by window. */
export type Reader<T = Window> = {
  /** Undefined at the end, and where the log cannot be read: then `error` says why, and what was read before still holds. */
  next(): Promise<T | undefined>;
  readonly error?: unknown;
};

/** The log after the offset `after`, up to `end`. Each window is read while the one before is folded. */
export const readOn = async (log: Database, after: number, end: number, windowEvents: number): Promise<Reader> => {
  const read = async (place: Place): Promise<Window | undefined> => {
    if (place.offset >= end) return undefined;
    const through = Math.min(end, place.offset + windowEvents);
    const window = await readWindow(log, place, through);
    // A damaged event is never folded.
    if (window.computed !== window.stored || window.last !== through) await insist(log, place.offset + 1, through);
    return window;
  };
  const readAhead = (place: Place): Promise<Window | undefined> => {
    const window = read(place);
    // What it throws is thrown where it is awaited.
    window.catch(() => undefined);
    return window;
  };
  let coming = readAhead(await placeAt(log, after));
  const reader: { -readonly [K in keyof Reader]: Reader[K] } = {
    next: async () => {
      try {
        const window = await coming;
        if (window) coming = readAhead({ offset: window.last, checksum: window.stored });
        return window;
      } catch (error) {
        reader.error = error;
        return undefined;
      }
    },
  };
  return reader;
};

const placeAt = async (log: Database, offset: number): Promise<Place> => {
  const row = await log.get<{ checksum: number }>('SELECT checksum FROM event WHERE "offset" = ?', [offset]);
  return { offset, checksum: row?.checksum ?? 0 };
};
