import type { BucketEvent } from '../../events/event.ts';
import { schemeOf, timeKey } from '../../events/order.ts';

/**
 * How far the folded events reach, for each token scheme (the empty scheme: events without a token). An event beyond the
 * whole frontier comes after everything folded so far, whatever it touches: the fast path, without a look at the history.
 */
export type Frontier = Record<string, { version: string; time: string }>;

/** What of an event tells where it belongs. */
export type Placed = Pick<BucketEvent, 'time' | 'version'>;

/** Whether the event comes after every event that the frontier has seen. */
export const isBeyond = (frontier: Frontier, event: Placed): boolean => {
  const own = schemeOf(event.version);
  const time = timeKey(event.time);
  for (const scheme in frontier) {
    const reach = frontier[scheme] as Frontier[string];
    if (scheme === own && own !== '') {
      if ((event.version as string) <= reach.version) return false;
    } else if (time < reach.time) return false;
  }
  return true;
};

/** Extends the frontier by an event. */
export const extend = (frontier: Frontier, event: Placed): void => {
  const scheme = schemeOf(event.version);
  const time = timeKey(event.time);
  const version = event.version ?? '';
  const reach = frontier[scheme];
  if (!reach) frontier[scheme] = { version, time };
  else {
    if (version > reach.version) reach.version = version;
    if (time > reach.time) reach.time = time;
  }
};
