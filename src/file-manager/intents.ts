import { randomUUID } from 'node:crypto';
import { messageOf } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import type { Queries } from '../storage/database.ts';
import { makeParents, removeEmptyParents, removeTree, renameDurably } from './disk.ts';
import { remember } from './idempotency.ts';
import { isFolder, onDisk, statOf } from './paths.ts';
import { isExplicit, moveAttributes, within } from './state.ts';
import type { Answer, Effect, Store } from './store.ts';
import { isWithdrawn } from './withdraw.ts';

/**
 * Changes of whole trees that take several steps on disk. The intent commits first, then the disk changes, then the rows,
 * the answer and the end of the intent commit as one. Each step on disk looks at what is there, so an intent that a crash
 * has left is carried out again at start, before any request.
 *
 * A change that fails while the process lives is withdrawn, intent and all. What cannot be withdrawn any more is carried
 * out to its end before anything else changes: later it would meet files that have been stored since.
 */
export type Intent =
  | {
      readonly kind: 'delete';
      readonly path: string;
      readonly name: string;
      readonly effect: Effect;
      readonly atMs: number;
    }
  | {
      readonly kind: 'relocate';
      readonly path: string;
      readonly to: string;
      /** Where a replaced folder goes. */
      readonly name: string;
      readonly effect: Effect;
      readonly atMs: number;
    }
  | { readonly kind: 'restore'; readonly path: string; readonly name: string };

const begin = async (store: Store, intent: Intent): Promise<number> => {
  const id = await store.db.transaction(async (db) => {
    await db.run('INSERT INTO intent (body) VALUES (?)', [JSON.stringify(intent)]);
    const row = await db.get<{ id: number }>('SELECT max(id) AS id FROM intent');
    return row?.id ?? 0;
  });
  failpoint('intent.committed');
  return id;
};

const newName = (): string => randomUUID();

export const deletion = async (store: Store, effect: Effect, path: string): Promise<Answer> => {
  const intent = { kind: 'delete', path, name: newName(), effect, atMs: Date.now() } as const;
  const id = await begin(store, intent);
  return attempted(store, id, intent, () => carryOutDeletion(store, id, intent));
};

export const relocation = async (store: Store, effect: Effect, path: string, to: string): Promise<Answer> => {
  const intent = { kind: 'relocate', path, to, name: newName(), effect, atMs: Date.now() } as const;
  const id = await begin(store, intent);
  return attempted(store, id, intent, () => carryOutRelocation(store, id, intent));
};

/** Brings one entry of the trash back; the caller has made sure that its path is free. */
export const restoration = async (store: Store, path: string, name: string): Promise<void> => {
  const intent = { kind: 'restore', path, name } as const;
  const id = await begin(store, intent);
  await attempted(store, id, intent, () => carryOutRestoration(store, id, intent));
};

const attempted = async <T>(store: Store, id: number, intent: Intent, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (!(await isWithdrawn(store, id, intent))) store.settleFirst(() => recover(store));
    throw error;
  }
};

/** Finishes what was interrupted. What fails again and has changed nothing is withdrawn; rejects when it has. */
export const recover = async (store: Store): Promise<void> => {
  const rows = await store.db.all<{ id: number; body: string }>('SELECT id, body FROM intent ORDER BY id');
  for (const { id, body } of rows) {
    const intent = JSON.parse(body) as Intent;
    store.log.info({ kind: intent.kind, path: intent.path }, 'finishing an interrupted change');
    try {
      if (intent.kind === 'delete') await carryOutDeletion(store, id, intent);
      else if (intent.kind === 'relocate') await carryOutRelocation(store, id, intent);
      else await carryOutRestoration(store, id, intent);
    } catch (error) {
      if (!(await isWithdrawn(store, id, intent))) throw error;
      store.log.error({ path: intent.path, error: messageOf(error) }, 'an interrupted change failed and is withdrawn');
    }
  }
};

/** Moves the rows of a path into the trash, or forgets them when nothing is kept. */
const trashRows = async (
  store: Store,
  db: Queries,
  entry: { path: string; name: string; key: string; atMs: number },
): Promise<void> => {
  const { sql, parameters } = within(entry.path);
  await store.backup?.notes.removed(db, entry.path);
  if (store.trashRetentionMs > 0) {
    await db.run("INSERT INTO trash (name, key, path, at_ms) VALUES (?, ?, ?, json_extract(?, '$'))", [
      entry.name,
      entry.key,
      entry.path,
      String(entry.atMs),
    ]);
    await db.run(
      `INSERT INTO trashed_attribute (name, path, permissions, md5, stamp, explicit)
       SELECT ?, path, permissions, md5, stamp, explicit FROM attribute WHERE ${sql} AND pending = 0`,
      [entry.name, ...parameters],
    );
  }
  await db.run(`DELETE FROM attribute WHERE ${sql}`, parameters);
};

const finish = async (
  store: Store,
  id: number,
  intent: { effect: Effect; atMs: number },
  answer: Answer,
  rows: (db: Queries) => Promise<void>,
): Promise<Answer> => {
  failpoint('intent.moved');
  await store.db.transaction(async (db) => {
    await rows(db);
    await remember(db, { ...intent.effect, answer, atMs: intent.atMs });
    await db.run('DELETE FROM intent WHERE id = ?', [id]);
    failpoint('intent.written');
  });
  failpoint('intent.finished');
  store.backup?.wake();
  return answer;
};

const tidy = async (store: Store, path: string, name: string): Promise<void> => {
  await removeEmptyParents(store.root, path, (folder) => isExplicit(store.db, folder));
  if (store.trashRetentionMs === 0) {
    const removing = removeTree(store.trashed(name));
    // Nobody waits for all that was in a folder; what is not removed is swept.
    if (isFolder(path)) removing.catch(() => undefined);
    else await removing;
  }
  failpoint('intent.tidied');
};

const carryOutDeletion = async (
  store: Store,
  id: number,
  intent: Extract<Intent, { kind: 'delete' }>,
): Promise<Answer> => {
  const from = onDisk(store.root, intent.path);
  const trashed = store.trashed(intent.name);
  if ((await statOf(trashed)) === undefined && (await statOf(from)) !== undefined) await renameDurably(from, trashed);
  const answer: Answer = { ok: true, path: intent.path, existed: true };
  await finish(store, id, intent, answer, (db) => trashRows(store, db, { ...intent, key: intent.effect.key }));
  await tidy(store, intent.path, intent.name);
  return answer;
};

const carryOutRelocation = async (
  store: Store,
  id: number,
  intent: Extract<Intent, { kind: 'relocate' }>,
): Promise<Answer> => {
  const { path, to, name } = intent;
  const from = onDisk(store.root, path);
  const target = onDisk(store.root, to);
  if ((await statOf(from)) !== undefined) {
    if (isFolder(to) && (await statOf(target)) !== undefined) await renameDurably(target, store.trashed(name));
    await makeParents(store.root, to);
    await renameDurably(from, target);
  }
  const replacedFolder = isFolder(to) && (await statOf(store.trashed(name))) !== undefined;
  const answer: Answer = { ok: true, path, to };
  await finish(store, id, intent, answer, async (db) => {
    if (replacedFolder) await trashRows(store, db, { path: to, name, key: intent.effect.key, atMs: intent.atMs });
    await store.backup?.notes.renamed(db, path, to);
    await moveAttributes(db, path, to);
  });
  await tidy(store, path, name);
  return answer;
};

const carryOutRestoration = async (
  store: Store,
  id: number,
  intent: Extract<Intent, { kind: 'restore' }>,
): Promise<void> => {
  const { path, name } = intent;
  if ((await statOf(store.trashed(name))) !== undefined) {
    await makeParents(store.root, path);
    await renameDurably(store.trashed(name), onDisk(store.root, path));
  }
  await store.db.transaction(async (db) => {
    await db.run(
      `INSERT OR REPLACE INTO attribute (path, permissions, md5, stamp, explicit)
       SELECT path, permissions, md5, stamp, explicit FROM trashed_attribute WHERE name = ?`,
      [name],
    );
    await store.backup?.notes.restored(db, name);
    await db.run('DELETE FROM trashed_attribute WHERE name = ?', [name]);
    await db.run('DELETE FROM trash WHERE name = ?', [name]);
    await db.run('DELETE FROM intent WHERE id = ?', [id]);
  });
  store.backup?.wake();
};
