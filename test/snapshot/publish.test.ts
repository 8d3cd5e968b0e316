import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { publishLines } from '../../src/snapshot/publish.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

// The operations of two million files are longer together than any text can be.
test('lines are written as they come, and never held as one text', async (t) => {
  const folder = await freshFolder();
  t.teardown(() => removeFolder(folder));
  const path = join(folder, 'lines');
  const line = 'x'.repeat(9_999);
  let held = 0;
  const items = function* (): Generator<number> {
    for (let at = 0; at < 1_000; at++) {
      held = Math.max(held, at * 10_000 - statSync(`${path}.tmp-${process.pid}`).size);
      yield at;
    }
  };
  await publishLines(path, items(), () => line);
  t.true(held < 2_000_000, `${held} bytes were not written yet`);
  t.is(await readFile(path, 'utf8'), `${line}\n`.repeat(1_000));
  await publishLines(path, [], () => line);
  t.is(await readFile(path, 'utf8'), '');
});
