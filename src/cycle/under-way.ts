import { isFolder, type Observation, pathsOf } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import { endOfFolder } from '../../projections/store.ts';
import { type ApplyOptions, type ApplyResult, applyPlan } from '../apply/apply.ts';
import { doubtfulLimits } from '../apply/retry.ts';
import { silentMax } from '../apply/silence.ts';
import { isOfFolderAlone } from '../apply/step.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { failpoint } from '../failpoint.ts';
import type { Step } from '../plan/operation.ts';
import type { Database, Queries } from '../storage/database.ts';
import { nothingApplied } from './failed.ts';
import { together } from './reporting.ts';
import { type Asking, noteUnanswered, stepsDue } from './unanswered.ts';
import type { Failed } from './unreadable.ts';

/**
 * Operations whose effect is not known: each is noted before its request, and forgotten once its outcome is in the log, or
 * once it is certain that it had none. What a crash, or a file manager that failed, leaves here is finished before anything
 * new is planned. Otherwise a file could stay that no side but the file manager knows of: saved, its outcome lost, and gone
 * from the bucket before the next cycle.
 *
 * The notes lie in the log's database (`under_way`), so they are as durable as the outcomes. Keys that are not their
 * operation's id stay there (`own_key`): `undo` asks for what was deleted under them.
 */
export type UnderWay = {
  /**
   * Resolves once the step is noted durably, with a key of its own where it has one; steps that begin together share a
   * commit.
   */
  readonly begin: (step: Step) => Promise<void>;
};

const noteSteps = 'INSERT OR REPLACE INTO under_way SELECT value->>0, value->>1 FROM json_each(?)';
const noteKeys = 'INSERT OR REPLACE INTO own_key SELECT value->>0, value->>1 FROM json_each(?)';

export const createUnderWay = (database: Pick<Database, 'run' | 'transaction'>): UnderWay => {
  let waiting: Step[] = [];
  let committing: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;
  const commit = async (): Promise<void> => {
    await committing.catch(() => undefined);
    const steps = waiting;
    waiting = [];
    next = undefined;
    failpoint('under-way.before');
    const rows = steps.map((step) => [step.operation.op_id, JSON.stringify(step)]);
    const keys = steps.flatMap(({ operation, key }) => (key === undefined ? [] : [[operation.op_id, key]]));
    const note = (queries: Pick<Queries, 'run'>): Promise<number> => queries.run(noteSteps, [JSON.stringify(rows)]);
    committing =
      keys.length === 0
        ? note(database)
        : database.transaction(async (queries) => {
            await note(queries);
            await queries.run(noteKeys, [JSON.stringify(keys)]);
          });
    await committing;
    failpoint('under-way.committed');
  };
  return {
    begin: (step) => {
      waiting.push(step);
      next ??= commit();
      return next;
    },
  };
};

/** The keys under which the file manager was asked for these operations, where they are not their ids. */
export const ownKeys = async (
  database: Pick<Database, 'all'>,
  operationIds: readonly string[],
): Promise<ReadonlyMap<string, string>> => {
  const rows = await database.all<{ op_id: string; key: string }>(
    'SELECT op_id, key FROM own_key WHERE op_id IN (SELECT value FROM json_each(?))',
    [JSON.stringify(operationIds)],
  );
  return new Map(rows.map(({ op_id, key }) => [op_id, key]));
};

/** Forgets what has its outcome in the log, and these. */
export const forgetUnderWay = async (
  database: Pick<Database, 'run'>,
  operationIds: readonly string[],
): Promise<void> => {
  await database.run(
    `DELETE FROM under_way WHERE op_id IN (SELECT value FROM json_each(?))
     OR EXISTS (SELECT 1 FROM event WHERE type = 'outcome' AND id = 'outcome:' || op_id)`,
    [JSON.stringify(operationIds)],
  );
};

/** What finishing came to; of those `left` it is still not known. */
export type Finished = { readonly left: number; readonly result: ApplyResult };

/**
 * Carries out again, under the same keys, what is under way. Where that is no longer possible (the object has changed, the
 * source of a rename is not there), or the file manager answers once more with a failure or a lie, it records that what is
 * at these paths is not known: the next plan saves or deletes there, whatever it was. What it says nothing about once more
 * stays, and comes up again after a while (unanswered.ts); once it said nothing about a few, no others are asked about in
 * this cycle. So no path keeps the others waiting.
 * Undefined when nothing is under way, and then nothing is asked. `askCapabilities` asks those of the file manager, which
 * only a folder with permissions of its own depends on.
 */
export const finishUnderWay = async (
  workspace: Workspace,
  options: ApplyOptions,
  asking: Asking,
  askCapabilities: () => Promise<readonly string[]>,
): Promise<Finished | undefined> => {
  const { log, projector } = workspace;
  await forgetUnderWay(log.database, []);
  const underWay = await stepsUnderWay(log.database);
  if (underWay.length === 0) {
    await noteUnanswered(projector.database, [], [], asking);
    return undefined;
  }
  const { fresh, again, later } = await stepsDue(projector.database, underWay, asking);
  let [left, result, silent] = [underWay.length, nothingApplied, 0];
  const ask = async (steps: readonly Step[], isKnown: boolean): Promise<void> => {
    if (steps.length === 0 || silent >= silentMax || result.stopped !== undefined) return;
    const retry = { ...options.retry, ...(isKnown && doubtfulLimits) };
    const bounded = { ...options, retry, silentMax: silentMax - silent };
    const asked = await askAgain(workspace, bounded, steps, asking, askCapabilities);
    left = asked.left;
    result = together(result, asked.result);
    silent += asked.silent;
  };
  await ask(fresh, false);
  await ask(again, true);
  // It answers again.
  if (silent === 0 && result.states.done > 0) await ask(later, true);
  return { left, result };
};

const askAgain = async (
  { log, projector }: Workspace,
  options: ApplyOptions,
  steps: readonly Step[],
  asking: Asking,
  askCapabilities: () => Promise<readonly string[]>,
): Promise<Finished & { readonly silent: number }> => {
  const folderPermissions =
    steps.some(setsFolderPermissions) && (await askCapabilities()).includes('folder-permissions');
  const impossible: Step[] = [];
  const failed: Failed[] = [];
  const note = (step: Step): void => void impossible.push(step);
  const result = await applyPlan(
    { id: 'under way', steps, unplaceable: [] },
    {
      ...options,
      folderPermissions,
      concurrency: 1,
      noSpaceMax: Number.POSITIVE_INFINITY,
      onEnded: note,
      onUncertain: note,
      onFailed: (step, reason) => failed.push({ step, reason }),
    },
  );
  await projector.catchUp();
  const last = await log.last();
  const paths = new Set((await Promise.all(impossible.map((step) => changedBy(projector.database, step)))).flat());
  const untold = await withoutUnknown(projector.database, [...paths]);
  await log.append(untold.map((path) => unknownAt(path, last)));
  await forgetUnderWay(
    log.database,
    impossible.map(({ operation }) => operation.op_id),
  );
  const left = await stepsUnderWay(log.database);
  return { left: left.length, result, silent: await noteUnanswered(projector.database, failed, left, asking) };
};

const stepsUnderWay = async (database: Pick<Database, 'all'>): Promise<Step[]> => {
  const rows = await database.all<{ step: string }>('SELECT step FROM under_way ORDER BY rowid');
  return rows.map(({ step }): Step => ({ begunAt: 0, ...(JSON.parse(step) as Step), after: [] }));
};

/**
 * Records of these renames that nothing is known of the files which they were to take: the file manager has none there, and
 * the bucket gives none for them. The next plan goes another way; this one would fail again in every cycle.
 */
export const noteMissing = async ({ log }: Workspace, renames: readonly Step[]): Promise<void> => {
  if (renames.length === 0) return;
  const last = await log.last();
  await log.append(renames.map(({ operation }) => unknownAt(operation.path, last)));
};

/** A folder's outcome names its permissions: they are to be set by whoever can. */
const setsFolderPermissions = ({ operation, result }: Step): boolean =>
  operation.kind === 'save' && isFolder(operation.path) && result?.permissions != null;

/** Where the step may have changed something: of a whole folder, what the mirror has beneath, at both places. */
const changedBy = async (database: Pick<Database, 'all'>, { operation }: Step): Promise<string[]> => {
  const { kind, path, to } = operation;
  if (!isFolder(path) || kind === 'save' || isOfFolderAlone(operation)) return pathsOf(operation);
  const rows = await database.all<Pick<FileRow, 'path'>>('SELECT path FROM mirror WHERE path >= ? AND path < ?', [
    path,
    endOfFolder(path),
  ]);
  return rows.flatMap((row) => (to === undefined ? [row.path] : [row.path, to + row.path.slice(path.length)]));
};

/** The paths that operations under way name. */
export const placesUnderWay = async (database: Pick<Database, 'all'>): Promise<string[]> =>
  (await stepsUnderWay(database)).flatMap(({ operation }) => pathsOf(operation));

/** Tells of a path whether an operation that may have changed something there is under way; of a folder's, all beneath. */
export const pathsUnderWay = async (database: Pick<Database, 'all'>): Promise<(path: string) => boolean> => {
  const places = await placesUnderWay(database);
  const exact = new Set(places);
  const folders = places.filter(isFolder);
  return (path) => exact.has(path) || folders.some((folder) => path.startsWith(folder));
};

/** The paths of which the mirror does not say already that nothing is known: one that fails for ever adds to the log once. */
const withoutUnknown = async (database: Pick<Database, 'all'>, paths: readonly string[]): Promise<string[]> => {
  const unknown = await database.all<Pick<FileRow, 'path'>>(
    'SELECT path FROM mirror WHERE file_id = 0 AND path IN (SELECT value FROM json_each(?))',
    [JSON.stringify(paths)],
  );
  const without = new Set(unknown.map(({ path }) => path));
  return paths.filter((path) => !without.has(path));
};

/** The mirror's row then has no size, no etag and no identity: it equals nothing, and is nothing's rename. */
export const unknownAt = (path: string, offset: number): Observation => ({
  id: `unknown:${offset}:${path}`,
  type: 'outcome',
  time: new Date().toISOString(),
  path,
  source: 'file-manager',
  operation: 'save',
  fileId: 0,
  fileOffset: offset,
});
