import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { foldersAround, isFolder, type Observation } from '../../events/event.ts';
import { type FileRow, rowKey } from '../../projections/rows.ts';
import { FatalError } from '../errors.ts';
import { publishLines } from '../snapshot/publish.ts';
import type { Queries } from '../storage/database.ts';
import { counted } from '../text.ts';
import type { Change, Plan } from './operation.ts';

/**
 * What a plan deletes, kept beside the stored plans before it is carried out: for each delete the rows that the mirror
 * loses by it. With it, what the file manager brings back from its trash can be recorded as what it holds again.
 */
export type Deletion = { readonly op_id: string; readonly path: string; readonly rows: readonly FileRow[] };

const [recordsKept, recordsShown] = [50, 10] as const;
const recordFile = /^[0-9a-f]{16}\.undo$/;

/** The path, and the folders around it, the innermost first: of so many places each may be one that takes it along. */
const placesOf = (path: string): string[] => [...(isFolder(path) ? [] : [path]), ...foldersAround(path).reverse()];

/**
 * The deletes of a plan with the rows that go. What a rename takes out of a folder before is not deleted with it; what is
 * deleted within a folder that a rename takes along goes before that.
 */
export const deletionsOf = (plan: Plan, changes: readonly Change[]): Deletion[] => {
  const operations = plan.steps.map(({ operation }) => operation);
  const leaving = new Set(
    operations.filter(({ kind }) => kind === 'rename' || kind === 'move').map(({ path }) => path),
  );
  const deletes = operations.filter(({ kind }) => kind === 'delete');
  const rowsIn = new Map(
    deletes.flatMap(({ path, recursive }) => (recursive ? [[path, [] as FileRow[]] as const] : [])),
  );
  const byPath = new Map(changes.flatMap(({ have }) => (have ? [[have.path, have] as const] : [])));
  for (const row of byPath.values()) {
    for (const place of placesOf(row.path)) {
      if (leaving.has(place)) break;
      rowsIn.get(place)?.push(row);
    }
  }
  return deletes.map(({ op_id, path, recursive }) => {
    const own = byPath.get(path);
    return { op_id, path, rows: recursive ? (rowsIn.get(path) ?? []) : own ? [own] : [] };
  });
};

/**
 * Keeps what the plan deletes; nothing when it deletes nothing. The oldest records give way, and the last one where all of it
 * is planned again: deletes that wait cycle after cycle would push out those that were carried out.
 */
export const keepUndo = async (folder: string, plan: Plan, changes: readonly Change[]): Promise<void> => {
  const lines = deletionsOf(plan, changes).map((deletion) => JSON.stringify(deletion));
  if (lines.length === 0) return;
  await mkdir(folder, { recursive: true });
  await publishLines(join(folder, `${plan.id}.undo`), lines, (line) => line);
  // Never this one, whatever times the others have: a clock may have been ahead.
  const [last, ...others] = (await recordsIn(folder)).filter(({ id }) => id !== plan.id);
  if (!last) return;
  const planned = new Set(lines);
  // One that cannot be read stands in no cycle's way.
  const before = await linesOf(folder, last.id).catch(() => undefined);
  const isAgain = before?.every((line) => planned.has(line)) ?? false;
  const over = isAgain ? [last, ...others.slice(recordsKept - 1)] : others.slice(recordsKept - 2);
  for (const { id } of over) await rm(join(folder, `${id}.undo`), { force: true });
};

/** The kept records, newest first. */
const recordsIn = async (folder: string): Promise<{ id: string; at: Date }[]> => {
  const names = (await readdir(folder).catch((): string[] => [])).filter((name) => recordFile.test(name));
  const dated = await Promise.all(
    names.map(async (name) => ({ id: name.slice(0, 16), at: (await stat(join(folder, name))).mtime })),
  );
  return dated.sort((a, b) => b.at.getTime() - a.at.getTime());
};

/** What a plan deleted, by its id or a unique beginning of it. Throws FatalError that names the newest that are kept. */
export const readUndo = async (folder: string, id: string): Promise<{ plan: string; deletions: Deletion[] }> => {
  const records = await recordsIn(folder);
  const found = records.filter((record) => id.length >= 4 && record.id.startsWith(id));
  const plan = found[0]?.id;
  if (plan === undefined || found.length > 1) {
    throw new FatalError(
      found.length > 1
        ? `${JSON.stringify(id)} is the beginning of several plans: ${found.map((record) => record.id).join(', ')}`
        : `no plan that deleted anything was carried out under the id ${JSON.stringify(id)}; ${await describeRecords(folder, records)}`,
    );
  }
  return { plan, deletions: await readRecord(folder, plan) };
};

const readRecord = async (folder: string, plan: string): Promise<Deletion[]> => {
  const lines = await linesOf(folder, plan);
  try {
    return lines.map((line) => JSON.parse(line) as Deletion);
  } catch {
    throw new FatalError(
      `${join(folder, `${plan}.undo`)} is damaged: what this plan deleted can be brought back from the trash by hand only`,
    );
  }
};

const linesOf = async (folder: string, plan: string): Promise<string[]> =>
  (await readFile(join(folder, `${plan}.undo`), 'utf8')).split('\n').filter((line) => line !== '');

/** The newest records, one to a line: nobody else tells which plan deleted what. */
const describeRecords = async (
  folder: string,
  records: readonly { readonly id: string; readonly at: Date }[],
): Promise<string> => {
  if (records.length === 0) return 'none is kept';
  const lines = await Promise.all(
    records.slice(0, recordsShown).map(async ({ id, at }) => {
      const files = await readRecord(folder, id).then(
        (deletions) => deletions.reduce((sum, { rows }) => sum + rows.length, 0),
        () => undefined,
      );
      return `\n  ${id}  ${at.toISOString()}  ${files === undefined ? 'damaged' : counted(files, 'file')}`;
    }),
  );
  const more = records.length - lines.length;
  return `kept are${lines.join('')}${more > 0 ? `\n  and ${more} older` : ''}`;
};

const undoPrefix = 'outcome:undo:';

/**
 * The fact that a file is back, as the mirror folds it: the row that was deleted. Its `offset` is that of the delete's own
 * outcome, so that deleting the file once more is another transition, with another operation id.
 */
export const undoOutcome = ({ op_id }: Deletion, row: FileRow, deletedAt: number, time: string): Observation => ({
  id: `${undoPrefix}${op_id}:${row.path}`,
  type: 'outcome',
  time,
  path: row.path,
  ...(row.size !== null && { size: row.size }),
  ...(row.etag !== null && { etag: row.etag }),
  ...(row.permissions !== null && { permissions: row.permissions }),
  ...(row.key !== null && { key: row.key }),
  modifiedAt: row.modified_at,
  source: 'file-manager',
  operation: 'save',
  fileId: row.file_id,
  fileOffset: deletedAt,
});

/** The fact that nothing came back after all, where it was noted that something may have. */
export const notBack = (path: string, notedAt: number, time: string): Observation => ({
  id: `not-back:${notedAt}:${path}`,
  type: 'outcome',
  time,
  path,
  source: 'file-manager',
  operation: 'delete',
  fileId: 0,
  fileOffset: notedAt,
});

/** Tells of rows of the mirror whether they stand as they were brought back. The log must be attached as `log`. */
export const undoneRows = async (queries: Queries): Promise<(row: FileRow) => boolean> => {
  const rows = await queries.all<{ path: string; offset: number }>(
    // ';' follows ':'.
    `SELECT path, file_offset AS "offset" FROM log.event WHERE type = 'outcome' AND id >= ? AND id < ?`,
    [undoPrefix, 'outcome:undo;'],
  );
  const undone = new Set(rows.map(rowKey));
  return (row) => undone.has(rowKey(row));
};
