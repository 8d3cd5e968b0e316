import { join } from 'node:path';
import { diffSnapshots } from '../diff/diff.ts';
import type { Change, Plan, Unplaceable } from '../plan/operation.ts';
import { planChanges } from '../plan/plan.ts';
import { exportSnapshot } from '../snapshot/export.ts';
import type { CycleOptions } from './cycle.ts';
import { folderFacts, withoutBlocked } from './placing.ts';
import { withoutUndone } from './undone.ts';
import { prepareUnreadable, unreadableSchedule, withoutWaiting } from './unreadable.ts';

export type Planned = {
  readonly plan: Plan;
  /** What the plan was made from. */
  readonly changes: readonly Change[];
  readonly blocked: readonly Unplaceable[];
  /** Of the file manager; none where there is nothing to do, and it was not asked. */
  readonly capabilities: readonly string[];
  /** Deletes of what a person has brought back: not in the plan. */
  readonly withheld?: Plan;
};

/** Steps 1 to 4 of a cycle: both CSVs, their diff, the plan. */
export const planCycle = async (
  options: CycleOptions,
  places: { readonly folder: string; readonly plans: string },
  offset: number,
): Promise<Planned> => {
  const { database } = options.workspace.projector;
  const only = options.full ? {} : ({ only: 'dirty' } as const);
  const oldPath = join(places.folder, 'old.csv');
  const newPath = join(places.folder, 'new.csv');
  await prepareUnreadable(database);
  return database.reading(async (queries) => {
    await exportSnapshot(queries, oldPath, { table: 'mirror', offset, ...only });
    await exportSnapshot(queries, newPath, { table: 'file', offset, ...only });
    const all: Change[] = [];
    diffSnapshots(oldPath, newPath, (change) => all.push(change));
    const due = options.retryUnreadable
      ? all
      : await withoutWaiting(queries, all, options.now?.() ?? Date.now(), options.unreadable ?? unreadableSchedule);
    const { changes: wanted, withheld } = await withoutUndone(queries, due, places.plans);
    const { changes, unplaceable } = await withoutBlocked(queries, wanted);
    const facts = await folderFacts(queries, changes);
    const capabilities = changes.length === 0 ? [] : (await options.fileManager.describe()).capabilities;
    const plan = planChanges(changes, { ...facts, capabilities });
    return { plan, changes, blocked: unplaceable, capabilities, ...(withheld && { withheld }) };
  });
};
