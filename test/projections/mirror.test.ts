import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { isFolder, type OutcomeEvent } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import { openLog } from '../../src/log/log.ts';
import { openProjector, type Projector, type ProjectorOptions } from '../../src/projector/projector.ts';
import { freshFolder, removeFolder } from '../support/folder.ts';
import { seedOf } from '../support/seed.ts';
import { viewsOf } from '../support/views.ts';

type Draft = Pick<OutcomeEvent, 'operation' | 'path'> &
  Partial<Pick<OutcomeEvent, 'to' | 'permissions' | 'scope'>> & { readonly key?: string | undefined };

const file = fc.constantFrom('a', 'b', 'd/x', 'd/📁y', 'd/e/x', 'd0', 'f/x', 'f/e/x');
const folder = fc.constantFrom('d/', 'd/e/', 'f/', 'f/e/');
const key = fc.constantFrom(undefined, 'key-1');
const fileMove = fc.constantFrom('rename' as const, 'move' as const);

/** What a file manager may confirm, whether or not the mirror knows of anything there. */
const draft: fc.Arbitrary<Draft> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ operation: fc.constant('save' as const), path: file, key }) },
  { weight: 1, arbitrary: fc.record({ operation: fc.constant('save' as const), path: folder }) },
  { weight: 2, arbitrary: fc.record({ operation: fc.constant('delete' as const), path: fc.oneof(file, folder) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      operation: fc.constantFrom('delete' as const, 'update_permissions' as const),
      path: folder,
      permissions: fc.constant('0700'),
      scope: fc.constant('marker' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      operation: fc.constant('update_permissions' as const),
      path: fc.oneof(file, folder),
      permissions: fc.constantFrom('0640', '0755'),
    }),
  },
  { weight: 5, arbitrary: fc.record({ operation: fileMove, path: file, to: file, key }) },
  { weight: 2, arbitrary: fc.record({ operation: fileMove, path: folder, to: folder }) },
);

const outcomesOf = (drafts: readonly Draft[]): OutcomeEvent[] =>
  drafts.map(({ key, ...fields }, at) => ({
    id: `outcome:${at}`,
    type: 'outcome',
    time: '2026-01-01T00:00:00.000Z',
    source: 'file-manager',
    fileId: at + 1_000,
    fileOffset: at + 2_000,
    ...(fields.operation === 'save' && { size: at, etag: `e${at}` }),
    ...(key !== undefined && { key }),
    ...fields,
  }));

/** By path: the rows, and where nothing is any more, since which offset. */
type Mirror = { readonly rows: object; readonly vacated: object };

/** The slow obvious fold of outcomes. */
const referenceMirror = (outcomes: readonly OutcomeEvent[]): Mirror => {
  const rows = new Map<string, FileRow>();
  const vacated = new Map<string, number>();
  for (const [at, { operation, path, to, permissions, scope, fileId, fileOffset, ...content }] of outcomes.entries()) {
    const isWhole = isFolder(path) && scope === undefined && operation !== 'save';
    const found = [...rows.values()].filter((row) => row.path === path || (isWhole && row.path.startsWith(path)));
    const place = (row: FileRow): void => {
      rows.set(row.path, row);
      vacated.delete(row.path);
    };
    if (operation === 'save') {
      const { key = null, size = null, etag = null, modifiedAt: modified_at = content.time } = content;
      const kept = permissions ?? rows.get(path)?.permissions ?? null;
      place({ path, file_id: fileId, key, size, etag, permissions: kept, modified_at, offset: fileOffset });
    } else if (operation === 'update_permissions') {
      for (const row of found) place({ ...row, permissions: permissions ?? row.permissions, offset: fileOffset });
    } else {
      for (const row of found) rows.delete(row.path);
      const left = operation === 'delete' && !isWhole ? [path] : found.map((row) => row.path);
      for (const one of left) vacated.set(one, at + 1);
      if (to === undefined) continue;
      for (const row of found) {
        const named = isWhole ? {} : { file_id: fileId, key: content.key ?? null };
        place({ ...row, path: to + row.path.slice(path.length), ...named, offset: fileOffset });
      }
    }
  }
  return { rows: Object.fromEntries(rows), vacated: Object.fromEntries(vacated) };
};

const heldBy = async ({ database }: Projector): Promise<Mirror> => {
  const rows = await database.all<FileRow>('SELECT * FROM mirror');
  const vacated = await database.all<{ path: string; offset: number }>('SELECT * FROM vacated');
  return {
    rows: Object.fromEntries(rows.map((row) => [row.path, row])),
    vacated: Object.fromEntries(vacated.map(({ path, offset }) => [path, offset])),
  };
};

test('outcomes fold to their plain fold, live and in a rebuild, with all places that were left', async (t) => {
  t.timeout(120_000);
  const seed = seedOf(t);
  const outcomes = fc.array(draft, { minLength: 40, maxLength: 40 }).map(outcomesOf);
  for (const [number, told] of fc.sample(outcomes, { numRuns: 12, seed }).entries()) {
    const at = await freshFolder();
    const logPath = join(at, 'events.db');
    const log = await openLog(logPath);
    const open = (name: string, options: Partial<ProjectorOptions> = {}): Promise<Projector> =>
      openProjector({ path: join(at, name), logPath, logId: log.logId, ...options });
    const oneByOne = await open('one-by-one.db');
    for (const outcome of told) {
      await log.append([outcome]);
      await oneByOne.catchUp();
    }
    const together = await open('together.db', { windowEvents: 3, rows: { beneathMax: 0, pathsMax: 4 } });
    const rebuilt = await open('rebuilt.db', { windowEvents: 2, rebuilding: true });
    const live = await viewsOf(oneByOne);
    for (const projector of [oneByOne, together, rebuilt]) {
      await projector.catchUp();
      const message = `SEED=${seed}, history ${number}, ${projector.database.path}`;
      t.deepEqual(await heldBy(projector), referenceMirror(told), message);
      t.is(await viewsOf(projector), live, message);
      await projector.close();
    }
    await log.close();
    await removeFolder(at);
  }
});
