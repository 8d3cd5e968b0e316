import test from 'ava';
import type { FileRow } from '../../projections/rows.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import type { Plan, Step } from '../../src/plan/operation.ts';
import { planChanges } from '../../src/plan/plan.ts';
import { contentOf as bytesOf, holdings, started } from '../file-manager/support.ts';
import { randomOf } from '../support/seed.ts';
import { changesBetween, contentOf } from './model.ts';
import { drawTable, facts } from './tables.ts';

const saveRow = async (client: FileManager, row: FileRow, key: string): Promise<void> => {
  const folder = row.path.endsWith('/');
  if (row.permissions !== null && !folder)
    await client.updatePermissions(row.path, row.permissions, { idempotencyKey: `${key}:permissions` });
  await client.saveToDisk(row.path, bytesOf(folder ? '' : contentOf(row)), { idempotencyKey: key });
};

const carryOut = async (client: FileManager, { operation, result }: Step, prefix: string): Promise<void> => {
  const options = { idempotencyKey: `${prefix}:${operation.op_id}` };
  const to = operation.to as string;
  if (operation.kind === 'save') await saveRow(client, result as FileRow, options.idempotencyKey);
  else if (operation.kind === 'rename') await client.rename(operation.path, to, options);
  else if (operation.kind === 'move') await client.move(operation.path, to, options);
  else if (operation.kind === 'delete')
    await client.delete(operation.path, { ...options, recursive: operation.recursive === true });
  else await client.updatePermissions(operation.path, operation.permissions as string, options);
};

/** Carries a plan out with everything at once that may go at once. */
const carryOutAll = async (client: FileManager, { steps }: Plan, prefix: string): Promise<void> => {
  const done: Promise<void>[] = [];
  for (const step of steps)
    done.push(Promise.all(step.after.map((at) => done[at])).then(() => carryOut(client, step, prefix)));
  await Promise.all(done);
};

/** The listing that a table stands for; permissions where the bucket says some, and none for folders. */
const expected = (rows: readonly FileRow[], found: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    rows.map((row): [string, string] => {
      if (row.path.endsWith('/')) return [row.path, found[row.path] ?? 'missing'];
      const kept = / \(\d+\)$/.exec(found[row.path] ?? '')?.[0] ?? '';
      return [row.path, contentOf(row) + (row.permissions === null ? kept : ` (${row.permissions})`)];
    }),
  );

const paths = ['a', 'a/', 'a/x', 'a/y', 'b', 'B', 'd/', 'd/x', 'd/y', 'd/e/x', 'd/e/y', 'f/x', 'f/y', 'f/e/x', 'f/e/y'];

for (const capabilities of [[], ['folders']]) {
  test(`the reference file manager ends at what the bucket holds${capabilities.length > 0 ? ', whole folders included' : ''}`, async (t) => {
    const { client } = await started(t, { trashRetentionMs: 0 });
    let have: FileRow[] = [];
    for (let seed = 1; seed <= 40; seed++) {
      const random = randomOf(seed * 7 + capabilities.length);
      const want = drawTable(random, paths, seed * 1_000);
      const plan = planChanges(changesBetween(have, want), facts(have, capabilities));
      await carryOutAll(client, plan, `${seed}`);
      const found = await holdings(client);
      const story = JSON.stringify({ seed, have, want, steps: plan.steps });
      t.deepEqual(found, expected(want, found), story);
      // The next plan starts from what is there: nobody's opinion of permissions is what the disk has.
      have = want.map((row) => ({
        ...row,
        permissions: row.permissions ?? / \((\d+)\)$/.exec(found[row.path] ?? '')?.[1] ?? null,
      }));
    }
  });
}
