import { hash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { isFolder } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import { ownKeys, unknownAt } from '../cycle/under-way.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { exitCode, FatalError } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import type { FileManagerClient, SkippedUndo } from '../file-manager/client.ts';
import { harmlessLine } from '../harmless.ts';
import { type Deletion, notBack, readUndo, undoOutcome } from '../plan/undo.ts';
import { counted, wrapped } from '../text.ts';
import type { Context } from './context.ts';
import { patientFileManager } from './patient.ts';

/** A file manager takes that many keys in one request. */
const keysPerRequest = 10_000;

type Confirmed = { readonly deletion: Deletion; readonly deletedAt: number };

/**
 * The deletes that the file manager has confirmed and that were not undone yet, with the offset of the confirmation; and
 * how many files came back before.
 */
const confirmedOf = async (
  workspace: Workspace,
  deletions: readonly Deletion[],
): Promise<{ readonly confirmed: readonly Confirmed[]; readonly before: number }> => {
  const ids = deletions.flatMap(({ op_id, rows }) => [
    `outcome:${op_id}`,
    ...rows.slice(0, 1).map(({ path }) => `outcome:undo:${op_id}:${path}`),
  ]);
  const rows = await workspace.log.database.all<{ id: string; offset: number }>(
    `SELECT id, "offset" FROM event WHERE type = 'outcome' AND id IN (SELECT value FROM json_each(?))`,
    [JSON.stringify(ids)],
  );
  const known = new Map(rows.map(({ id, offset }) => [id, offset]));
  let before = 0;
  const confirmed = deletions.flatMap((deletion) => {
    const deletedAt = known.get(`outcome:${deletion.op_id}`);
    const undone = deletion.rows[0] && known.has(`outcome:undo:${deletion.op_id}:${deletion.rows[0].path}`);
    if (undone) before += deletion.rows.length;
    return deletedAt === undefined || undone ? [] : [{ deletion, deletedAt }];
  });
  return { confirmed, before };
};

/** A folder's own row has no content, and so is never in the trash. */
const isMarker = ({ path, rows }: Deletion): boolean => isFolder(path) && rows.every((row) => row.path === path);

/** What may be back at paths of which the mirror says that nothing is there. */
type Noted = { readonly paths: ReadonlyMap<string, number>; readonly state: string };

/**
 * Notes, before the file manager is asked, that what is at these paths is not known. Whatever becomes of the request then,
 * the next cycle leaves no file there that only the file manager knows of. What a crash left noted is not noted again:
 * `state` is the same for as long as nothing else happened at these paths, and that of no other log: it tells when they were
 * noted.
 */
const noteUnknown = async ({ log, projector }: Workspace, rows: readonly FileRow[]): Promise<Noted> => {
  const wanted = JSON.stringify(rows.map(({ path }) => path).filter((path) => !isFolder(path)));
  const held = async (): Promise<Pick<FileRow, 'path' | 'file_id' | 'offset'>[]> => {
    await projector.catchUp();
    return projector.database.all(
      'SELECT path, file_id, "offset" FROM mirror WHERE path IN (SELECT value FROM json_each(?))',
      [wanted],
    );
  };
  /** Not those at which the file manager was found to hold something: that is there whatever comes back. */
  const notedOf = async <T extends Pick<FileRow, 'path' | 'offset'>>(
    rows: readonly T[],
  ): Promise<(T & { readonly time: string })[]> => {
    const idOf = ({ path, offset }: T): string => unknownAt(path, offset).id;
    const events = await log.database.all<{ id: string; time: string }>(
      `SELECT id, time FROM event WHERE type = 'outcome' AND id IN (SELECT value FROM json_each(?))`,
      [JSON.stringify(rows.map(idOf))],
    );
    const times = new Map(events.map(({ id, time }) => [id, time]));
    return rows.flatMap((row) => {
      const time = times.get(idOf(row));
      return time === undefined ? [] : [{ ...row, time }];
    });
  };
  const there = new Set((await held()).map(({ path }) => path));
  const last = await log.last();
  const absent = (JSON.parse(wanted) as string[]).filter((path) => !there.has(path));
  await log.append(absent.map((path) => unknownAt(path, last)));
  const unknown = await notedOf((await held()).filter(({ file_id }) => file_id === 0));
  failpoint('undo.noted');
  const paths = new Map(unknown.map(({ path, offset }) => [path, offset]));
  const states = unknown.map(({ path, offset, time }) => `${path},${offset},${time}`);
  return { paths, state: states.length === 0 ? randomUUID() : states.join(' ') };
};

type Asked = { readonly restored: ReadonlySet<string>; readonly skipped: readonly SkippedUndo[] };

/**
 * Asks the file manager, under a key that is the same when a crash repeats it: what it brought back then is told again.
 * Once anything else has happened at these paths the key is another one. What it could not bring back is asked for once
 * more, since the way may be free by now.
 */
const ask = async (fileManager: FileManagerClient, keys: readonly string[], { state }: Noted): Promise<Asked> => {
  const idempotencyKey = `undo:${hash('sha256', `${keys.join(' ')} ${state}`).slice(0, 32)}`;
  const first = await fileManager.undo({ keys }, { idempotencyKey });
  if (first.skipped.length === 0) return { restored: new Set(first.restored), skipped: [] };
  const again = await fileManager.undo({ keys }, { idempotencyKey: `undo:${randomUUID()}` });
  return { restored: new Set([...first.restored, ...again.restored]), skipped: again.skipped };
};

/** Brings back from the file manager's trash what a plan deleted, and records that the file manager holds it again. */
export const runUndo = async (context: Context, id: string, flags: { json?: boolean }): Promise<number> => {
  const { plan, deletions } = await readUndo(join(context.config.paths.data, 'plans'), id);
  const fileManager = patientFileManager(context);
  const workspace = await context.openWorkspace();
  try {
    if (!(await fileManager.describe({ signal: context.signal })).capabilities.includes('trash'))
      throw new FatalError('this file manager keeps no trash: what was deleted there comes back from a backup only');
    const { confirmed, before } = await confirmedOf(workspace, deletions);
    const restored: string[] = [];
    const skipped: SkippedUndo[] = [];
    const lost: string[] = [];
    for (let at = 0; at < confirmed.length; at += keysPerRequest) {
      if (context.signal.aborted) throw new FatalError('stopped before all was brought back: run it again');
      const batch = confirmed.slice(at, at + keysPerRequest);
      const noted = await noteUnknown(
        workspace,
        batch.flatMap(({ deletion }) => deletion.rows),
      );
      const ids = batch.map(({ deletion }) => deletion.op_id);
      const keys = await ownKeys(workspace.log.database, ids);
      const asked = await ask(
        fileManager,
        ids.map((id) => keys.get(id) ?? id),
        noted,
      );
      failpoint('undo.answered');
      skipped.push(...asked.skipped);
      const back = batch.filter(({ deletion }) => asked.restored.has(deletion.path));
      const time = new Date().toISOString();
      const told = new Set([...asked.restored, ...asked.skipped.map(({ path }) => path)]);
      const gone = batch.filter(({ deletion }) => !told.has(deletion.path));
      // Of a folder that is in the way nothing came back; a file that is, and that the mirror does not know, stays unknown.
      const blocked = batch.filter(
        ({ deletion: { path } }) => isFolder(path) && asked.skipped.some((one) => one.path === path),
      );
      await workspace.log.append([
        ...back.flatMap(({ deletion, deletedAt }) =>
          deletion.rows.map((row) => undoOutcome(deletion, row, deletedAt, time)),
        ),
        ...[...gone, ...blocked].flatMap(({ deletion }) =>
          deletion.rows.flatMap(({ path }) => {
            const notedAt = noted.paths.get(path);
            return notedAt === undefined ? [] : [notBack(path, notedAt, time)];
          }),
        ),
      ]);
      failpoint('undo.recorded');
      restored.push(...back.flatMap(({ deletion }) => deletion.rows.map(({ path }) => path)));
      lost.push(...gone.flatMap(({ deletion }) => (isMarker(deletion) ? [] : deletion.path)));
    }
    await workspace.projector.catchUp();
    const result = { plan, restored, skipped, not_in_trash: lost };
    context.print(flags.json ? `${JSON.stringify(result)}\n` : textOf(result, before));
    return skipped.length + lost.length === 0 ? exitCode.done : exitCode.failed;
  } finally {
    await workspace.close();
  }
};

const shown = 20;

const textOf = (
  result: {
    readonly plan: string;
    readonly restored: readonly string[];
    readonly skipped: readonly SkippedUndo[];
    readonly not_in_trash: readonly string[];
  },
  before: number,
): string => {
  const { plan, restored, skipped, not_in_trash: lost } = result;
  const lines = [
    `${counted(restored.length, `file that plan ${plan} deleted is`, `files that plan ${plan} deleted are`)} back in the file manager`,
  ];
  if (before > 0) lines.push(`${before} came back by an earlier undo of this plan already`);
  lines.push(...restored.slice(0, shown).map((path) => `  + ${harmlessLine(path)}`));
  if (restored.length > shown) lines.push(`  … and ${restored.length - shown} more`);
  for (const { path, reason } of skipped.slice(0, shown)) lines.push(`  ! ${harmlessLine(`${path}: ${reason}`)}`);
  for (const path of lost.slice(0, shown)) lines.push(`  ! ${harmlessLine(path)}: it is not in the trash any more`);
  if (restored.length > 0)
    lines.push(
      ...wrapped(
        "The bucket still lacks them. The next cycles leave them where they are and show the deletes as a plan of their own, which waits until a person carries it out ('s3-sync plan' shows its id). Put the files into the bucket to keep them.",
        '',
        '',
      ),
    );
  return `${lines.join('\n')}\n`;
};
