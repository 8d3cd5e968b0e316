import { copyBytes, enlarged, sharedLength } from '../../projections/four-bytes.ts';
import type { Entry } from '../diff/entry.ts';

const slash = 0x2f;

/** Looks for paths of which one lies beneath the other's name, where one of the two is watched. */
export type Nesting = {
  /** Paths are added in path order. True where this one lies beneath a name that was added before. */
  add(entry: Entry, isWatched: boolean): boolean;
};

/**
 * What lies beneath a name comes after it in path order, and all in between begins with that name too. So the names to look
 * at are those that the newest path begins with: their lengths, and that path's bytes.
 */
export const createNesting = (): Nesting => {
  let newest: DataView = new DataView(new ArrayBuffer(1_024));
  const lengths: number[] = [];
  const watched: boolean[] = [];
  return {
    add: ({ path, pathFrom, pathTo }, isWatched) => {
      const length = pathTo - pathFrom;
      newest = enlarged(newest, length);
      const shared = sharedLength(newest, 0, path, pathFrom, Math.min(length, lengths.at(-1) ?? 0));
      while ((lengths.at(-1) ?? 0) > shared) {
        lengths.pop();
        watched.pop();
      }
      copyBytes(newest, shared, path, pathFrom + shared, pathTo);
      let isBeneath = false;
      // No `some`: its closure, made for each path, was a quarter of what V8 had to collect.
      for (let at = 0; at < lengths.length; at += 1) {
        const name = lengths[at] as number;
        if ((isWatched || watched[at]) && name < length && newest.getUint8(name) === slash) isBeneath = true;
      }
      lengths.push(length);
      watched.push(isWatched);
      return isBeneath;
    },
  };
};
