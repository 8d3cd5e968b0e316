import test from 'ava';
import { createBlock, packedColumns, sizeAt, wordsOf, writeCells } from '../../projections/packed-cells.ts';
import { packInto } from '../support/packing.ts';
import { randomOf, seedOf } from '../support/seed.ts';

const block = createBlock(1_000);
const page = createBlock(1_000);

/** Packs the cells, each a value in JSON; returns whether they were packed, what they take, and what comes back. */
const carry = (cells: readonly string[]) => {
  const { isPacked, words } = packInto(block, cells);
  return { isPacked, words, back: page.bytes.toString('utf8', 0, writeCells(page, 0, block, 0)) };
};

const usual = ['null', '9999999', `"${'0123456789abcdef'.repeat(2)}"`, '"0644"', '"2026-01-31T23:59:58.007Z"'] as const;

/** What each cell may be: its usual forms, and what comes close to them. */
const forms: readonly (readonly string[])[] = [
  ['null', '"key"'],
  ['null', '0', '7', '4294967295', '4294967296', '99999999999999', '123456789012345', '-1', '1.0', '1e3'],
  [
    'null',
    usual[2],
    usual[2].toUpperCase(),
    `"${'g'.repeat(32)}"`,
    `"${'é'.repeat(16)}"`,
    `"${'`'.repeat(32)}"`,
    '"a-2"',
  ],
  ['null', '"0644"', '"0000"', '"0777"', '"0648"', '"1644"', '"644"', '"00644"', '"rw-r"'],
  [
    usual[4],
    '"9999-99-99T99:99:99.999Z"',
    '"2026-01-31T23:59:58Z"',
    '"2026-01-31T23:59:58.007007Z"',
    '"2026-01-31t23:59:58.007Z"',
    '"2026-01-31T23:59:5:.007Z"',
    '"2026-01-31T23:59:58.0é7Z"',
    '"2026-01-31T23:59:58.00/Z"',
  ],
];

test('cells come back byte for byte, whether they can be packed or not', (t) => {
  const random = randomOf(seedOf(t));
  for (let run = 0; run < 20_000; run++) {
    // One of them at most has a form of its own, mostly: two would hide each other.
    const odd = Math.floor(random() * packedColumns.length);
    const cells = packedColumns.map((_, cell) => {
      const of = forms[cell] as readonly string[];
      return cell === odd || random() < 0.1
        ? (of[Math.floor(random() * of.length)] as string)
        : (usual[cell] as string);
    });
    const { back, words } = carry(cells);
    if (back !== cells.join(',')) t.is(back, cells.join(','));
    if (wordsOf(block, 0) !== words) t.is(wordsOf(block, 0), words);
    const size = Number(cells[1]) || 0;
    if (sizeAt(block, 0) !== size) t.is(sizeAt(block, 0), size);
  }
  t.true(carry(usual).isPacked);
});
