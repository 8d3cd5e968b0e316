/**
 * The views' tables. Everything here can be thrown away and is rebuilt by replay, so there are no migrations: another
 * `projectionsVersion` means a rebuild. Raise it whenever a table or a fold changes its meaning.
 */
export const projectionsVersion = 7;

const fileColumns = `
  path TEXT NOT NULL PRIMARY KEY,
  file_id INTEGER NOT NULL,
  key TEXT,
  size INTEGER,
  etag TEXT,
  permissions TEXT,
  modified_at TEXT NOT NULL,
  "offset" INTEGER NOT NULL`;

/**
 * - `file`, `mirror`: clustered by path in byte order (BINARY collation), which is the snapshot's order.
 * - `vacated`: the paths that a delete, rename or move left empty in the file manager, with the offset of the outcome that
 *   said so. What is saved there next is another transition than the first save was, even when the file's own row never
 *   changed.
 * - `dirty`: exactly the paths on which file and mirror differ; a cycle reads nothing else.
 * - `history`, `newest`: which events touched a path, and the newest of them by order. Filled from the first event that
 *   arrives late on (see lineage.ts); a log that is in order never pays for them. They are the tombstones: a deleted
 *   path keeps its history, so a late create does not resurrect it.
 * - `meta`: version, log id, checkpoint and the log's checksum there, frontier, stats. Committed together with the rows.
 */
export const projectionsSchema = `
CREATE TABLE IF NOT EXISTS file (${fileColumns}) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mirror (${fileColumns}) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vacated (path TEXT NOT NULL PRIMARY KEY, "offset" INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dirty (path TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (path TEXT NOT NULL, "offset" INTEGER NOT NULL, PRIMARY KEY (path, "offset")) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS newest (path TEXT NOT NULL PRIMARY KEY, "offset" INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TEMP TABLE IF NOT EXISTS touched (path TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE IF NOT EXISTS moved (${fileColumns}) WITHOUT ROWID;
`;
