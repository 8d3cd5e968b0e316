import { mkdir, readdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { silentLog } from '../../src/file-manager/log.ts';
import { openStore, type Store } from '../../src/file-manager/store.ts';
import { sweepTrash } from '../../src/file-manager/trash.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';

const dayMs = 24 * 3_600_000;
const nowMs = Date.UTC(2026, 0, 31);

/** A store whose trash holds these names, each a folder with a file in it, with the time of its deletion or without a row. */
const storeWith = async (root: string, trashed: Readonly<Record<string, number | undefined>>): Promise<Store> => {
  const store = await openStore({ root, log: silentLog, trashRetentionMs: 7 * dayMs, backup: undefined });
  for (const name of Object.keys(trashed)) {
    await mkdir(store.trashed(name));
    await writeFile(join(store.trashed(name), 'file'), 'content');
  }
  const rows = JSON.stringify(Object.entries(trashed).filter(([, atMs]) => atMs !== undefined));
  await store.db.run(`INSERT INTO trash SELECT value->>0, 'key', 'd/', value->>1 FROM json_each(?)`, [rows]);
  await store.db.run(
    `INSERT INTO trashed_attribute SELECT value->>0, 'd/file', NULL, NULL, NULL, 0 FROM json_each(?)`,
    [rows],
  );
  return store;
};

test('the trash is emptied of what is old or has no row, and no change waits while files are removed', async (t) => {
  const root = await realpath(await freshFolder());
  t.teardown(() => removeFolder(root));
  const old = Object.fromEntries(Array.from({ length: 1_100 }, (_, at) => [`old-${at}`, nowMs - 8 * dayMs]));
  const store = await storeWith(root, { ...old, young: nowMs - 6 * dayMs, lost: undefined });
  let isExclusive = false;
  const removed: { readonly name: string; readonly isExclusive: boolean }[] = [];
  const watched: Store = {
    ...store,
    exclusive: (work) =>
      store.exclusive(async () => {
        isExclusive = true;
        return work().finally(() => {
          isExclusive = false;
        });
      }),
    trashed: (name) => {
      removed.push({ name, isExclusive });
      return store.trashed(name);
    },
  };
  const stopped = new AbortController();
  stopped.abort();
  await sweepTrash(watched, nowMs, stopped.signal);
  t.is((await readdir(store.trashed(''))).length, 1_102, 'what a stop leaves has no row any more');
  await sweepTrash(watched, nowMs);
  t.deepEqual(await readdir(store.trashed('')), ['young']);
  t.true(removed.length > 1_100);
  t.deepEqual(
    removed.filter((one) => one.isExclusive),
    [],
  );
  t.deepEqual(await store.db.all('SELECT name FROM trash UNION ALL SELECT name FROM trashed_attribute'), [
    { name: 'young' },
    { name: 'young' },
  ]);
  await store.db.close();
});

test('what a change that is under way has moved to the trash stays: its row comes in a moment', async (t) => {
  const root = await realpath(await freshFolder());
  t.teardown(() => removeFolder(root));
  const store = await storeWith(root, { moved: undefined });
  const sweeping = sweepTrash(store, nowMs);
  await store.exclusive(async () => {
    await sleep(200);
    await store.db.run(`INSERT INTO trash VALUES ('moved', 'key', 'd/', json_extract(?, '$'))`, [String(nowMs)]);
  });
  await sweeping;
  t.deepEqual(await readdir(store.trashed('')), ['moved']);
  await store.db.close();
});
