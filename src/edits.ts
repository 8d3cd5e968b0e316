/**
 * How many letters must be put in, left out or exchanged to make one text of the other (Levenshtein's distance); with
 * `swaps`, two neighbours in each other's place count as one (optimal string alignment).
 */
export const editsBetween = (a: string, b: string, { swaps = false }: { readonly swaps?: boolean } = {}): number => {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let at = 1; at <= b.length; at++) {
      const exchanged = (previous[at - 1] as number) + (a[row - 1] === b[at - 1] ? 0 : 1);
      const isSwap = swaps && row > 1 && at > 1 && a[row - 1] === b[at - 2] && a[row - 2] === b[at - 1];
      const swapped = isSwap ? (before[at - 2] as number) + 1 : exchanged;
      current.push(Math.min((previous[at] as number) + 1, (current[at - 1] as number) + 1, exchanged, swapped));
    }
    [before, previous] = [previous, current];
  }
  return previous[b.length] as number;
};
