import test from 'ava';
import { type Items, lotsOf } from '../../projections/sorted-lots.ts';
import { randomOf, seedOf } from '../support/seed.ts';

const itemsOf = (texts: readonly string[]): Items => ({
  count: texts.length,
  forEach: (visit) => texts.forEach((_, place) => visit(place)),
  textOf: (place) => texts[place] as string,
});

/** The lots, each sorted. */
const sortedLots = (texts: readonly string[], size: number): string[][] =>
  [...lotsOf(itemsOf(texts), size)].map((lot) => Array.from(lot, (place) => texts[place] as string).sort());

test('lots one after the other are what sorting all at once gives', (t) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  for (const count of [0, 1, 2, 7, 99, 100, 101, 1_000, 5_000]) {
    const few = Array.from({ length: count }, () => String(Math.floor(random() * 5)));
    const many = Array.from({ length: count }, () => String(random()));
    for (const texts of [many, few, many.toSorted(), many.toSorted().reverse()])
      t.deepEqual(sortedLots(texts, 100).flat(), texts.toSorted());
  }
});

test('a lot is not much larger than was asked for, unless texts repeat', (t) => {
  const random = randomOf(1);
  const texts = Array.from({ length: 100_000 }, () => String(random()));
  for (const order of [texts, texts.toSorted()]) {
    const lots = sortedLots(order, 1_000);
    t.true(Math.max(...lots.map((lot) => lot.length)) < 5_000);
  }
});
