import { mkdir, rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Received } from './content.ts';
import { applyMode, makeParents, modeOf, removeEmptyParents, renameDurably, stampOf, syncFolder } from './disk.ts';
import { deletion, relocation } from './intents.ts';
import { isFolder, look, onDisk, statOf } from './paths.ts';
import { Problem } from './problem.ts';
import { attributeOf, isExplicit, recordPermissions, recordSaved, within } from './state.ts';
import type { Answer, Effect, Store } from './store.ts';
import { pruneEmpty, walk } from './tree.ts';

const defaultMode = 0o644;

/** What a save has brought; without permissions those stay that were set before. */
type Saved = Received & { readonly permissions: string | undefined };

/** Puts a received file in place. Its permissions are applied before its name exists; readers see old or new, never both. */
export const saveFile = (
  store: Store,
  effect: Effect,
  path: string,
  content: Saved & { readonly file: string },
): Promise<Answer> =>
  store.exclusive(async () => {
    await refuseOtherKind(store, path);
    const { size, md5, permissions } = content;
    const applied = permissions ?? (await attributeOf(store.db, path))?.permissions ?? null;
    await applyMode(content.file, modeOf(applied) ?? defaultMode);
    const stats = await statOf(content.file);
    try {
      await makeParents(store.root, path);
      await renameDurably(content.file, onDisk(store.root, path));
    } catch (error) {
      await removeEmptyParents(store.root, path, (folder) => isExplicit(store.db, folder));
      throw error;
    }
    return store.commit(effect, { ok: true, path, size, md5, permissions }, async (db) => {
      await recordSaved(db, path, permissions, md5, stats === undefined ? null : stampOf(stats));
      await store.backup?.notes.changed(db, path);
    });
  });

/** Creates a folder of its own: it stays when it is empty. */
export const saveFolder = (store: Store, effect: Effect, path: string, content: Saved): Promise<Answer> =>
  store.exclusive(async () => {
    await refuseOtherKind(store, path);
    const folder = onDisk(store.root, path);
    await makeParents(store.root, path);
    if ((await statOf(folder)) === undefined) {
      await mkdir(folder);
      await syncFolder(dirname(folder));
    }
    const { md5, permissions } = content;
    return store.commit(effect, { ok: true, path, size: 0, md5, permissions }, async (db) => {
      await recordSaved(db, path, permissions, null, null);
      await store.backup?.notes.changed(db, path);
    });
  });

/**
 * Sets permissions of a file, of a folder and (`recursive`) all beneath it, or keeps them for what is about to be saved.
 * Those of a folder alone are kept and told; on the disk a folder stays as the file manager needs it.
 */
export const updatePermissions = (
  store: Store,
  effect: Effect,
  path: string,
  permissions: string,
  recursive: boolean,
): Promise<Answer> =>
  store.exclusive(async () => {
    const found = await look(store.root, path, { lenient: true });
    const mode = modeOf(permissions);
    const present = found.kind === (isFolder(path) ? 'folder' : 'file');
    const files: string[] = [];
    if (present && isFolder(path) && recursive) {
      for await (const node of walk(store.root, path)) if (!isFolder(node.path)) files.push(node.path);
    } else if (present && !isFolder(path)) {
      files.push(path);
    }
    if (mode !== undefined) for (const file of files) await applyMode(onDisk(store.root, file), mode);
    const pending = isFolder(path) ? !(present && (await isExplicit(store.db, path))) : !present;
    return store.commit(effect, { ok: true, path, permissions, pending: !present }, async (db) => {
      const { sql, parameters } = recursive ? within(path) : { sql: 'path = ?', parameters: [path] };
      await db.run(`UPDATE attribute SET permissions = ? WHERE ${sql}`, [permissions, ...parameters]);
      await db.run(
        `INSERT INTO attribute (path, permissions) SELECT value, ? FROM json_each(?) WHERE true
         ON CONFLICT (path) DO UPDATE SET permissions = excluded.permissions`,
        [permissions, JSON.stringify(files)],
      );
      if (isFolder(path) || !present) await recordPermissions(db, path, permissions, pending);
    });
  });

/**
 * Deletes a file, or a folder with all beneath it (`recursive` false: only the folder's own being, what is in it stays).
 * Deleting what is not there succeeds.
 */
export const remove = (store: Store, effect: Effect, path: string, recursive: boolean): Promise<Answer> =>
  store.exclusive(async () => {
    const found = await look(store.root, path, { lenient: true });
    const present = found.kind === (isFolder(path) ? 'folder' : 'file');
    if (present && (recursive || !isFolder(path))) return deletion(store, effect, path);
    const forgotten = recursive ? within(path) : { sql: 'path = ?', parameters: [path] };
    const answer = await store.commit(effect, { ok: true, path, existed: present }, async (db) => {
      await db.run(`DELETE FROM attribute WHERE ${forgotten.sql}`, forgotten.parameters);
      if (present) await store.backup?.notes.changed(db, path);
    });
    if (present) {
      await rmdir(onDisk(store.root, path)).catch(() => undefined);
      await removeEmptyParents(store.root, path, (folder) => isExplicit(store.db, folder));
    }
    return answer;
  });

/** Renames or moves a file or a folder with all beneath it; replaces what is at `to`. */
export const relocate = (store: Store, effect: Effect, path: string, to: string): Promise<Answer> =>
  store.exclusive(async () => {
    if (isFolder(path) !== isFolder(to)) {
      throw new Problem('bad-request', '"path" and "to" must both be files, or both be folders that end in "/"');
    }
    const found = await look(store.root, path, { lenient: true });
    if (found.kind !== (isFolder(path) ? 'folder' : 'file')) {
      throw new Problem('not-found', `there is no ${isFolder(path) ? 'folder' : 'file'} "${path}" to rename or move`);
    }
    if (path === to) return store.commit(effect, { ok: true, path, to }, async () => undefined);
    if (isFolder(path) && (to.startsWith(path) || path.startsWith(to))) {
      throw new Problem('conflict', `"${path}" and "${to}" lie within each other: use a temporary name between`);
    }
    await refuseOtherKind(store, to);
    return relocation(store, effect, path, to);
  });

/** Throws a conflict when a path is taken by a folder and a file should go there, or the other way round. */
export const refuseOtherKind = async (store: Store, path: string): Promise<void> => {
  const found = await look(store.root, path);
  if (found.kind === 'folder' && !isFolder(path)) {
    if (await pruneEmpty(store.root, store.db, `${path}/`)) return;
    throw new Problem('conflict', `"${path}" is a folder: delete or rename "${path}/" before a file takes its name`);
  }
  if (found.kind === 'file' && isFolder(path)) {
    const file = path.slice(0, -1);
    throw new Problem('conflict', `"${file}" is a file: delete or rename it before a folder takes its name`);
  }
};

/** Removes a temporary file that was not put in place. */
export const discard = (file: string): Promise<void> => rm(file, { force: true });
