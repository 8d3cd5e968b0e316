import { opendir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { removeTree } from './disk.ts';
import { restoration } from './intents.ts';
import { refuseOtherKind } from './operations.ts';
import { isFolder, look } from './paths.ts';
import { asProblem, Problem } from './problem.ts';
import type { Answer, Effect, Store } from './store.ts';

/** What to bring back: all that requests with these keys deleted, or what was deleted last at these paths. */
export type UndoRequest = { readonly keys: readonly string[]; readonly paths: readonly string[] };

type Trashed = { readonly name: string; readonly path: string };

/**
 * Restores from the trash, the latest deletion first. What can't go back, because its path is taken again, stays in the
 * trash and is named under `skipped` with the reason.
 */
export const undo = (store: Store, effect: Effect, request: UndoRequest): Promise<Answer> =>
  store.exclusive(async () => {
    const rows = await store.db.all<Trashed>(
      `SELECT name, path, at_ms FROM trash WHERE key IN (SELECT value FROM json_each(?))
       UNION
       SELECT name, path, at_ms FROM (
         SELECT name, path, at_ms, row_number() OVER (PARTITION BY path ORDER BY at_ms DESC) AS age FROM trash
         WHERE path IN (SELECT value FROM json_each(?))) WHERE age = 1
       ORDER BY at_ms DESC`,
      [JSON.stringify(request.keys), JSON.stringify(request.paths)],
    );
    const restored: string[] = [];
    const skipped: { path: string; reason: string }[] = [];
    // Folders before what was deleted from within them: their own paths are shorter.
    for (const row of rows.toSorted((a, b) => a.path.length - b.path.length)) {
      const reason = await obstacle(store, row.path);
      if (reason === undefined) {
        await restoration(store, row.path, row.name);
        restored.push(row.path);
      } else {
        skipped.push({ path: row.path, reason });
      }
    }
    const answer: Answer = { ok: true, restored: restored.toSorted(), skipped };
    return store.commit(effect, answer, async () => undefined);
  });

const obstacle = async (store: Store, path: string): Promise<string | undefined> => {
  try {
    await refuseOtherKind(store, path);
    const found = await look(store.root, path);
    if (found.kind === 'none') return undefined;
    throw new Problem('conflict', `another ${isFolder(path) ? 'folder' : 'file'} "${path}" exists by now`);
  } catch (error) {
    return asProblem(error).message;
  }
};

/** Names that are looked up at once. */
const namesAtOnce = 1_000;

async function* namesIn(folder: string): AsyncGenerator<readonly string[]> {
  let names: string[] = [];
  for await (const { name } of await opendir(folder)) {
    if (names.push(name) < namesAtOnce) continue;
    yield names;
    names = [];
  }
  yield names;
}

const forgetOlder = (store: Store, cutoff: string): Promise<void> =>
  store.db.transaction(async (db) => {
    await db.run(
      `DELETE FROM trashed_attribute WHERE name IN (SELECT name FROM trash WHERE at_ms <= json_extract(?, '$'))`,
      [cutoff],
    );
    await db.run(`DELETE FROM trash WHERE at_ms <= json_extract(?, '$')`, [cutoff]);
  });

const unnamedOf = (store: Store, names: readonly string[]): Promise<Pick<Trashed, 'name'>[]> =>
  store.db.all(
    'SELECT value AS name FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM trash WHERE trash.name = value)',
    [JSON.stringify(names)],
  );

/**
 * Empties the trash of what is older than the retention, and of what no row names. No change waits for files to be removed:
 * those that a large plan has deleted go all at once, which takes minutes. What is left when `signal` is aborted goes at the
 * next start.
 */
export const sweepTrash = async (store: Store, nowMs: number, signal?: AbortSignal): Promise<void> => {
  await store.exclusive(() => forgetOlder(store, String(nowMs - store.trashRetentionMs)));
  for await (const names of namesIn(dirname(store.trashed('x')))) {
    // While no change is half done: its name has no row yet. None is given a second time.
    for (const { name } of await store.exclusive(() => unnamedOf(store, names))) {
      if (signal?.aborted) return;
      await removeTree(store.trashed(name));
    }
  }
};
