import test from 'ava';
import {
  afterLastByte,
  belowIn,
  copyBytes,
  firstIn,
  indexOfByte,
  isAscii,
  lowerCase,
  matchesIn,
  sharedLength,
  viewOf,
} from '../../projections/four-bytes.ts';
import { randomOf, seedOf } from '../support/seed.ts';

const [slash, slashes, beyondCommas] = [0x2f, 0x2f2f2f2f, 0x2d2d2d2d] as const;
/** Bytes at the borders of what is looked for. */
const drawn = [0x00, 0x2c, 0x2d, 0x2e, slash, 0x30, 0x40, 0x41, 0x5a, 0x5b, 0x61, 0x7f, 0x80, 0xaf, 0xc1, 0xff];

test('four bytes at a time say what a look at each byte says', (t) => {
  const seed = seedOf(t);
  const random = randomOf(seed);
  const below = (most: number): number => Math.floor(random() * most);
  for (let run = 0; run < 20_000; run += 1) {
    const bytes = Buffer.from(Array.from({ length: 24 }, () => drawn[below(drawn.length)] as number));
    const view = viewOf(bytes);
    const from = below(12);
    const to = from + below(13);
    const part = bytes.subarray(from, to);
    const place = `SEED=${seed} run ${run}`;

    const first = part.indexOf(slash);
    if (indexOfByte(view, slashes, from, to) !== (first === -1 ? to : from + first)) t.fail(`indexOfByte, ${place}`);
    if (afterLastByte(view, slashes, from, to) !== from + part.lastIndexOf(slash) + 1)
      t.fail(`afterLastByte, ${place}`);

    const other = Buffer.from(bytes);
    if (below(4) > 0) other[below(24)] = drawn[below(drawn.length)] as number;
    const differing = part.findIndex((byte, at) => byte !== other[from + at]);
    if (sharedLength(view, from, viewOf(other), from, to - from) !== (differing === -1 ? part.length : differing))
      t.fail(`sharedLength, ${place}`);

    const copied = Buffer.from(other);
    if (copyBytes(viewOf(other), 1, view, from, to) !== 1 + part.length) t.fail(`copyBytes, ${place}`);
    part.copy(copied, 1);
    if (!copied.equals(other)) t.fail(`copyBytes, ${place}`);

    const word = view.getInt32(from, true);
    const four = [...bytes.subarray(from, from + 4)];
    const firstOf = (bits: number): number => (bits === 0 ? -1 : firstIn(bits));
    if (firstOf(matchesIn(word, slashes)) !== four.indexOf(slash)) t.fail(`matchesIn, ${place}`);
    if (firstOf(belowIn(word, beyondCommas)) !== four.findIndex((byte) => byte < 0x2d)) t.fail(`belowIn, ${place}`);
    if (isAscii(word) !== four.every((byte) => byte < 0x80)) t.fail(`isAscii, ${place}`);
    const lower = four.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte));
    if (lowerCase(word) !== Buffer.from(lower).readInt32LE()) t.fail(`lowerCase, ${place}`);
  }
  t.pass();
});

test('what are two zeros, or no number, as eight bytes are told apart as bytes', (t) => {
  const lengthOf = (one: string, other: string): number =>
    sharedLength(viewOf(Buffer.from(one, 'hex')), 0, viewOf(Buffer.from(other, 'hex')), 0, 8);
  t.is(lengthOf('0000000000000000', '0000000000000080'), 7);
  t.is(lengthOf('0000000000000000', '0000000000000000'), 8);
  t.is(lengthOf('010000000000f87f', '010000000000f87f'), 8);
  t.is(lengthOf('010000000000f87f', '020000000000f87f'), 0);
});
