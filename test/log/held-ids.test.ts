import test from 'ava';
import { createHeldIds } from '../../src/log/held-ids.ts';
import { randomOf, seedOf } from '../support/seed.ts';

test('every offset is found by its digest, also where many share one, before and after all are cleared', (t) => {
  const random = randomOf(seedOf(t));
  const held = createHeldIds();
  for (let round = 0; round < 20; round++) {
    // Few different digests now and then, so that many are equal and many stand behind one another.
    const different = [10, 1_000, 2 ** 48][round % 3] as number;
    const digests = Array.from({ length: Math.floor(random() * 5_000) }, () => Math.floor(random() * different));
    const offsetsOf = new Map<number, number[]>();
    let offset = 0;
    const offsets = digests.map((digest) => {
      offset += random() < 0.01 ? 2 : 1;
      held.add(digest, offset);
      offsetsOf.set(digest, [...(offsetsOf.get(digest) ?? []), offset]);
      return offset;
    });
    t.is(held.count(), digests.length);
    for (const digest of [...offsetsOf.keys(), ...Array.from({ length: 100 }, () => Math.floor(random() * 2 ** 48))]) {
      const found: number[] = [];
      held.find(digest, found);
      t.deepEqual(
        found.sort((a, b) => a - b),
        offsetsOf.get(digest) ?? [],
      );
    }
    const inRuns = [...held.runs()].flatMap(({ first, digests }) =>
      [...digests].map((digest, at) => [digest, first + at]),
    );
    t.deepEqual(
      inRuns,
      digests.map((digest, at) => [digest, offsets[at]]),
    );
    held.clear();
    t.deepEqual([held.count(), [...held.runs()].length], [0, 0]);
  }
});
