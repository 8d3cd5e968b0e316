import type { Edge } from './claims.ts';

/**
 * Which claims must step aside to a temporary name so that the rest has an order: the fewest that a walk from the first
 * claim on finds, one for each cycle it meets.
 *
 * Each claim is two vertices: 2i is its leaving, 2i+1 its arriving. Without a step aside leaving waits for all that
 * arriving waits for; with one it waits for its `own` edges only. Every cycle holds a claim that others wait for to leave
 * and that itself waits for its new place: what is waited for within a folder, or for a folder to arrive, lies ever deeper.
 */
export const stepsAside = (edges: readonly (readonly Edge[])[]): ReadonlySet<number> => {
  const aside = new Set<number>();
  const state = new Uint8Array(edges.length * 2);
  const [untouched, open, closed] = [0, 1, 2];
  const ownFirst = edges.map((list) => [...list].sort((a, b) => Number(b.own) - Number(a.own)));
  const edgesOf = (vertex: number): readonly Edge[] => ownFirst[vertex >> 1] as readonly Edge[];
  /** Position in `edgesOf`; an arrival looks at its own leaving before (-1). */
  type Frame = { readonly vertex: number; next: number; taken: Edge | undefined };
  const frameOf = (vertex: number): Frame => ({ vertex, next: vertex % 2 === 1 ? -1 : 0, taken: undefined });

  const advance = (frame: Frame): number | undefined => {
    if (frame.next === -1) {
      frame.next = 0;
      frame.taken = undefined;
      return frame.vertex - 1;
    }
    const edge = edgesOf(frame.vertex)[frame.next++];
    const leaves = frame.vertex % 2 === 0;
    if (!edge || (leaves && !edge.own && aside.has(frame.vertex >> 1))) return undefined;
    frame.taken = edge;
    return edge.on * 2 + (edge.until === 'arrived' ? 1 : 0);
  };

  const stack: Frame[] = [];
  const depth = new Int32Array(state.length);
  const enter = (vertex: number): void => {
    state[vertex] = open;
    depth[vertex] = stack.push(frameOf(vertex)) - 1;
  };
  for (let start = 0; start < state.length; start++) {
    if (state[start] === untouched) enter(start);
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      const to = advance(frame);
      if (to === undefined) {
        state[frame.vertex] = closed;
        stack.pop();
      } else if (state[to] === untouched) {
        enter(to);
      } else if (state[to] === open) {
        const at = breakingPoint(stack, depth[to] as number);
        aside.add((stack[at] as Frame).vertex >> 1);
        // Walk again from there: the edges of what steps aside are others now.
        for (const { vertex } of stack.splice(at)) state[vertex] = untouched;
        const before = stack.at(-1);
        if (before) before.next -= 1;
        else enter(start);
      }
    }
  }
  return aside;
};

type Walked = { readonly vertex: number; readonly taken: Edge | undefined };

/** The first claim of a cycle that is entered by being waited for to leave, and left by waiting for its new place. */
const breakingPoint = (stack: readonly Walked[], from: number): number => {
  for (let at = from; at < stack.length; at++) {
    const entry = at === from ? stack.at(-1)?.taken : stack[at - 1]?.taken;
    const { vertex, taken } = stack[at] as Walked;
    if (vertex % 2 === 0 && entry?.until === 'vacated' && taken !== undefined && !taken.own) return at;
  }
  throw new Error('a cycle without a step that could be taken aside: the claims contradict each other');
};

/**
 * An order in which everything comes after what it waits for; among those that are ready the smallest rank is next.
 * Ranks are distinct. Throws where there is a cycle.
 */
export const topological = (after: readonly (readonly number[])[], ranks: readonly number[]): number[] => {
  const waiting = after.map((earlier) => earlier.length);
  const dependents: number[][] = after.map(() => []);
  after.forEach((earlier, index) => {
    for (const other of earlier) dependents[other]?.push(index);
  });
  const ready = createHeap((index) => ranks[index] as number);
  waiting.forEach((count, index) => {
    if (count === 0) ready.push(index);
  });
  const order: number[] = [];
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    order.push(index);
    for (const later of dependents[index] as number[]) {
      waiting[later] = (waiting[later] as number) - 1;
      if (waiting[later] === 0) ready.push(later);
    }
  }
  if (order.length !== after.length) throw new Error('the steps wait for each other: no order is possible');
  return order;
};

/** A binary heap: `pop` gives the smallest. */
const createHeap = (rankOf: (item: number) => number) => {
  const items: number[] = [];
  const rankAt = (at: number): number => (at < items.length ? rankOf(items[at] as number) : Number.POSITIVE_INFINITY);
  const swap = (a: number, b: number): void => {
    [items[a], items[b]] = [items[b] as number, items[a] as number];
  };
  return {
    push: (item: number): void => {
      let at = items.push(item) - 1;
      for (let up = (at - 1) >> 1; at > 0 && rankAt(at) < rankAt(up); at = up, up = (at - 1) >> 1) swap(at, up);
    },
    pop: (): number | undefined => {
      const first = items[0];
      const last = items.pop();
      if (items.length === 0 || last === undefined) return first;
      items[0] = last;
      for (let at = 0; ; ) {
        const left = 2 * at + 1;
        const child = rankAt(left + 1) < rankAt(left) ? left + 1 : left;
        if (rankAt(child) >= rankAt(at)) return first;
        swap(at, child);
        at = child;
      }
    },
  };
};
