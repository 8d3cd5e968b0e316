import type { ListingPage } from '../bucket/bucket.ts';
import { byBytes } from '../byte-order.ts';

/**
 * When a listing passed each key, by the bucket's clock: that an object is not there says nothing of later. Keys come in the
 * order of their bytes; those of one second are one stretch, so that there are no more of them than the listing took seconds.
 */
export type Passing = {
  note(page: ListingPage): void;
  /** After the last page: behind its last key nothing was there at its time. */
  at(key: string): string;
};

export const createPassing = (): Passing => {
  const stretches: { upTo: string; readonly at: string }[] = [];
  let end = '';
  return {
    note: ({ objects, observedAt }) => {
      end = observedAt;
      const upTo = objects.at(-1)?.key;
      if (upTo === undefined) return;
      const newest = stretches.at(-1);
      if (newest?.at === observedAt) newest.upTo = upTo;
      else stretches.push({ upTo, at: observedAt });
    },
    at: (key) => {
      let [from, to] = [0, stretches.length];
      while (from < to) {
        const middle = (from + to) >> 1;
        if (byBytes((stretches[middle] as (typeof stretches)[number]).upTo, key) < 0) from = middle + 1;
        else to = middle;
      }
      return stretches[from]?.at ?? end;
    },
  };
};
