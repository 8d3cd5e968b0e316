import { isFolder } from '../../events/event.ts';

/**
 * The order of steps: a path is vacated before it is taken. A path is in the way of another when it is the same, when it
 * is a file where the other needs a folder, or when it lies beneath where the other needs a file.
 */
export type Claim = {
  /** The path that this step leaves free, if any. A folder stands for all beneath it. */
  readonly vacates?: string;
  /** The path that this step needs free, if any. */
  readonly takes?: string;
};

const bare = (path: string): string => (isFolder(path) ? path.slice(0, -1) : path);

/** For each claim, the claims that must be carried out before it. A claim in its own way names itself. */
export const prerequisites = (claims: readonly Claim[]): number[][] => {
  const vacatedAt = new Map<string, number[]>();
  claims.forEach(({ vacates }, index) => {
    if (vacates === undefined) return;
    const known = vacatedAt.get(bare(vacates));
    if (known) known.push(index);
    else vacatedAt.set(bare(vacates), [index]);
  });
  const sorted = [...vacatedAt.keys()].sort();
  const beneath = (prefix: string): number[] => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] as string) < prefix) low = middle + 1;
      else high = middle;
    }
    const found: number[] = [];
    for (let at = low; at < sorted.length && (sorted[at] as string).startsWith(prefix); at++) {
      found.push(...(vacatedAt.get(sorted[at] as string) ?? []));
    }
    return found;
  };
  return claims.map(({ takes }) => {
    if (takes === undefined) return [];
    const path = bare(takes);
    const before = new Set(vacatedAt.get(path));
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      for (const index of vacatedAt.get(path.slice(0, slash)) ?? []) before.add(index);
    }
    // What lies beneath is in the way of a file, and of a folder that arrives as a whole; not of a folder that is made.
    if (!isFolder(takes)) for (const index of beneath(`${path}/`)) before.add(index);
    return [...before];
  });
};

/**
 * Indexes in an order that respects the prerequisites, smallest first among those that are ready. Where only a cycle is
 * left, `breakCycle` is asked for the index to let go first; it must then hold without its prerequisites.
 */
export const sorted = (
  before: readonly (readonly number[])[],
  breakCycle: (stuck: readonly number[]) => number,
): number[] => {
  const waiting = before.map((indexes) => new Set(indexes));
  const dependents = new Map<number, number[]>();
  waiting.forEach((indexes, index) => {
    for (const earlier of indexes) dependents.set(earlier, [...(dependents.get(earlier) ?? []), index]);
  });
  const done = new Set<number>();
  const order: number[] = [];
  let ready = waiting.flatMap((indexes, index) => (indexes.size === 0 ? [index] : []));
  const finish = (index: number): number[] => {
    done.add(index);
    order.push(index);
    return (dependents.get(index) ?? []).filter((later) => {
      waiting[later]?.delete(index);
      return waiting[later]?.size === 0 && !done.has(later);
    });
  };
  while (order.length < before.length) {
    const next: number[] = [];
    for (const index of ready) next.push(...finish(index));
    ready = next;
    if (ready.length === 0 && order.length < before.length) {
      ready = [breakCycle(waiting.flatMap((_, index) => (done.has(index) ? [] : [index])))];
    }
  }
  return order;
};
