import type { Entry } from '../diff/entry.ts';

const slash = 0x2f;

/** Watches paths of two kinds for one that lies beneath a name of the other kind. */
export type Nesting = {
  /** Paths are added in path order. True where this one lies beneath a name of the other kind that was added before. */
  add(entry: Entry, kind: number): boolean;
};

/**
 * What lies beneath a name comes after it in path order, and all in between begins with that name too. So the names to look
 * at are those that the newest path begins with: their lengths, and that path's bytes.
 */
export const createNesting = (): Nesting => {
  let newest = Buffer.allocUnsafeSlow(1_024);
  const lengths: number[] = [];
  const kinds: number[] = [];
  return {
    add: ({ path, pathFrom, pathTo }, kind) => {
      const length = pathTo - pathFrom;
      if (length > newest.length) newest = Buffer.concat([newest, Buffer.alloc(length)]);
      const most = Math.min(length, lengths.at(-1) ?? 0);
      let shared = 0;
      while (shared < most && newest[shared] === path[pathFrom + shared]) shared += 1;
      while ((lengths.at(-1) ?? 0) > shared) {
        lengths.pop();
        kinds.pop();
      }
      for (let at = shared; at < length; at++) newest[at] = path[pathFrom + at] as number;
      const isBeneath = lengths.some((name, at) => kinds[at] !== kind && name < length && newest[name] === slash);
      lengths.push(length);
      kinds.push(kind);
      return isBeneath;
    },
  };
};
