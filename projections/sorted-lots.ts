/** Of how many texts a lot's bounds are guessed from. */
const samplesPerLot = 8;

/** Items, each a number of 32 bits, that are put in the order of their texts. Each visit goes the same way. */
export type Items = {
  readonly count: number;
  forEach(visit: (item: number) => void): void;
  textOf(item: number): string;
};

/**
 * The items in lots of about `size`, each lot's texts before the next one's. It takes a quarter of the time of sorting them,
 * so one lot can be written while the next is sorted. Memory is eight bytes an item.
 */
export function* lotsOf(items: Items, size: number): Generator<Uint32Array> {
  const { sorted, ends } = divide(items, boundsOf(items, size));
  let from = 0;
  for (const end of ends) {
    if (end > from) yield sorted.subarray(from, end);
    from = end;
  }
}

/** Texts that part one lot from the next. */
const boundsOf = ({ count, forEach, textOf }: Items, size: number): string[] => {
  const lots = Math.ceil(count / size);
  const step = Math.max(1, Math.floor(count / (lots * samplesPerLot)));
  const sample: string[] = [];
  let at = 0;
  forEach((item) => {
    if (at++ % step === 0) sample.push(textOf(item));
  });
  sample.sort();
  return Array.from({ length: Math.max(0, lots - 1) }, (_, lot) => {
    return sample[Math.floor(((lot + 1) * sample.length) / lots)] as string;
  });
};

/** All items, lot by lot, and where each lot ends. */
const divide = ({ count, forEach, textOf }: Items, bounds: readonly string[]) => {
  const lotOf = new Uint32Array(count);
  /** Where the next item of each lot goes. */
  const ends = new Uint32Array(bounds.length + 1);
  let at = 0;
  forEach((item) => {
    const lot = placeOf(textOf(item), bounds);
    lotOf[at++] = lot;
    if (lot + 1 < ends.length) ends[lot + 1] = (ends[lot + 1] as number) + 1;
  });
  for (let lot = 1; lot < ends.length; lot++) ends[lot] = (ends[lot] as number) + (ends[lot - 1] as number);
  const sorted = new Uint32Array(count);
  at = 0;
  forEach((item) => {
    const lot = lotOf[at++] as number;
    const place = ends[lot] as number;
    sorted[place] = item;
    ends[lot] = place + 1;
  });
  return { sorted, ends };
};

/** How many of the bounds are no more than a text. */
const placeOf = (text: string, bounds: readonly string[]): number => {
  let [low, high] = [0, bounds.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (text < (bounds[middle] as string)) high = middle;
    else low = middle + 1;
  }
  return low;
};
