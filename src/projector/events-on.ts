import type { BucketEvent, OutcomeEvent, Recorded } from '../../events/event.ts';
import { eventsIn } from '../log/window.ts';
import { type Reader, readOn } from './read-on.ts';

/** The events of a window. */
export type Events = {
  /** Offset of the last one. */
  readonly last: number;
  readonly all: readonly Recorded[];
  readonly facts: readonly Recorded<BucketEvent>[];
  readonly outcomes: readonly Recorded<OutcomeEvent>[];
};

const eventsOf = (all: readonly Recorded[]): Events => ({
  last: all.at(-1)?.offset ?? 0,
  all,
  facts: all.filter((event) => event.type !== 'outcome') as Recorded<BucketEvent>[],
  outcomes: all.filter((event) => event.type === 'outcome') as Recorded<OutcomeEvent>[],
});

/** The events of the log after an offset: see `readOn`. */
export const readEventsOn = async (...where: Parameters<typeof readOn>): Promise<Reader<Events>> => {
  const reader = await readOn(...where);
  return {
    next: async () => {
      const window = await reader.next();
      return window && eventsOf(eventsIn(window));
    },
    get error() {
      return reader.error;
    },
  };
};

/**
 * Events that were just appended, from the one after the offset `after` on: what a read of the log would give, without
 * one. Undefined where these are not all from there to the last of them.
 */
export const handedOn = (
  appended: readonly Recorded[],
  after: number,
  windowEvents: number,
): Reader<Events> | undefined => {
  const first = appended[0]?.offset ?? 0;
  const last = appended.at(-1)?.offset ?? 0;
  // Offsets grow, so their number tells that there is no hole between them.
  if (first === 0 || first > after + 1 || last <= after || last - first + 1 !== appended.length) return undefined;
  let at = after + 1 - first;
  return {
    next: async () => {
      const window = appended.slice(at, at + windowEvents);
      at += windowEvents;
      return window.length > 0 ? eventsOf(window) : undefined;
    },
  };
};
