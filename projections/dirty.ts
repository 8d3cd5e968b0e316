import type { Store } from './store.ts';

/** Whether a path's rows `f` and `m` differ: `sameContent` and `samePermissions` of rows.ts, said in SQL. */
const differs = `
  (f.path IS NULL) <> (m.path IS NULL)
  OR f.size IS NOT m.size
  OR f.etag IS NOT m.etag
  OR (f.etag IS NULL AND f.modified_at IS NOT m.modified_at)
  OR (f.permissions IS NOT NULL AND f.permissions IS NOT m.permissions)`;

/** Keeps `dirty` equal to the set of paths on which file and mirror differ, for the paths in `touched`. */
export const refreshDirty = async (store: Store): Promise<void> => {
  if (store.defersDirty) return;
  await store.run(`DELETE FROM dirty WHERE path IN (SELECT path FROM touched)`);
  await store.run(
    `INSERT INTO dirty
     SELECT t.path FROM touched AS t LEFT JOIN file AS f USING (path) LEFT JOIN mirror AS m USING (path)
     WHERE (f.path IS NOT NULL OR m.path IS NOT NULL) AND (${differs})`,
  );
  await store.run('DELETE FROM touched');
};

/** Makes `dirty` anew from the whole of both tables, in one pass over each. */
export const rebuildDirty = async (store: Store): Promise<void> => {
  await store.run('DELETE FROM dirty');
  // Then all of the file table differs, and nothing need be looked up: a third of the time less.
  const [mirrored] = await store.all('SELECT 1 FROM mirror LIMIT 1');
  if (!mirrored) {
    await store.run('INSERT INTO dirty SELECT path FROM file ORDER BY path');
    return;
  }
  await store.run(
    `INSERT INTO dirty SELECT f.path FROM file AS f LEFT JOIN mirror AS m USING (path) WHERE ${differs} ORDER BY f.path`,
  );
  await store.run(
    'INSERT INTO dirty SELECT m.path FROM mirror AS m LEFT JOIN file AS f USING (path) WHERE f.path IS NULL',
  );
};
