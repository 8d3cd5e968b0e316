import { join } from 'node:path';
import { breakerLimits, createBreaker } from '../apply/breaker.ts';
import { systemClock } from '../apply/clock.ts';
import { retryLimits, withRetries } from '../apply/retry.ts';
import { diffSnapshots } from '../diff/diff.ts';
import type { Change, Plan } from '../plan/operation.ts';
import { planChanges } from '../plan/plan.ts';
import type { Kept, StoredPlan } from '../plan/store.ts';
import { exportPlaces, exportSnapshot } from '../snapshot/export.ts';
import type { CycleOptions } from './cycle.ts';
import { dueNow } from './due.ts';
import { keepSources } from './keep-sources.ts';
import { drawLot, type Lot } from './lot.ts';
import type { CycleMemory } from './memory.ts';
import { folderFacts, withoutBlocked } from './placing.ts';
import { openAt, withoutOpen } from './unanswered.ts';
import { placesUnderWay } from './under-way.ts';
import { withoutUndone } from './undone.ts';

/** A plan, and what it was made from. */
export type Made = { readonly plan: Plan; readonly changes: readonly Change[] };

export type Planned = Made & {
  readonly lot: Pick<Lot, 'later' | 'upTo'>;
  /** What of it can be carried out while nothing is said about some operations: all else waits for that. */
  readonly around?: Made;
  /** Paths of operations under way. */
  readonly silentAt: readonly string[];
  /** Of the file manager; none where there is nothing to do, and it was not asked. */
  readonly capabilities: readonly string[];
  /** Objects whose next try is not due yet, and those of which the file manager says nothing: not in the plan. */
  readonly waiting: number;
  /** Deletes of what a person has brought back: not in the plan. */
  readonly withheld?: Kept;
};

/**
 * Steps 1 to 4 of a cycle: both CSVs, their diff, the plan. `unpaired`: see ask-paired.ts. A full comparison is of all paths
 * at once; any other one of a lot of those that differ, behind where the one before has ended.
 */
export const planCycle = async (
  options: CycleOptions,
  folder: string,
  released: readonly StoredPlan[],
  offset: number,
  unpaired: ReadonlySet<string>,
  { lotUpTo }: CycleMemory,
): Promise<Planned> => {
  const { database } = options.workspace.projector;
  const oldPath = join(folder, 'old.csv');
  const newPath = join(folder, 'new.csv');
  const { facts, free, ...rest } = await database.reading(async (queries) => {
    const lot = options.full ? undefined : await drawLot(queries, lotUpTo, options.lotMost);
    const only = lot && { only: lot.only };
    await exportSnapshot(queries, exportPlaces(oldPath), { table: 'mirror', offset, ...only });
    await exportSnapshot(queries, exportPlaces(newPath), { table: 'file', offset, ...only });
    const all: Change[] = [];
    diffSnapshots(oldPath, newPath, (change) => all.push(change));
    // First, so that what stays is not taken for renamed.
    const { changes: wanted, withheld } = await withoutUndone(queries, keepSources(all, unpaired), released);
    const due = options.retryUnreadable ? wanted : await dueNow(queries, wanted, unpaired, options);
    const { changes, unplaceable } = await withoutBlocked(queries, due);
    const places = options.dryRun ? [] : await placesUnderWay(queries);
    const open = places.length > 0 ? openAt(places) : undefined;
    const free = open ? withoutOpen(changes, open, unpaired) : changes;
    const factsOf = async (some: readonly Change[]) => ({
      ...(await folderFacts(queries, some, open)),
      blocked: unplaceable,
    });
    return {
      changes,
      lot: lot ?? { later: 0 },
      silentAt: places,
      facts: await factsOf(changes),
      ...(free.length < changes.length && { free: { changes: free, facts: await factsOf(free) } }),
      waiting: wanted.length - due.length + changes.length - free.length,
      ...(withheld && { withheld }),
    };
  });
  // After the tables were read: while the file manager is waited for, nothing else has to wait for them.
  const capabilities = rest.changes.length === 0 ? [] : await capabilitiesOf(options);
  const planOf = (changes: readonly Change[], known: typeof facts): Made => ({
    changes,
    plan: planChanges(changes, { ...known, capabilities, unpaired }),
  });
  return {
    ...rest,
    capabilities,
    ...planOf(rest.changes, facts),
    ...(free && { around: planOf(free.changes, free.facts) }),
  };
};

/** Asks like every other request does: again, within the limits, when the file manager does not answer. */
export const capabilitiesOf = async (options: CycleOptions): Promise<readonly string[]> => {
  const { fileManager, signal, clock = systemClock } = options;
  // Once a stop was asked for, the plan is only shown.
  if (signal?.aborted) return (await fileManager.describe()).capabilities;
  const never = new AbortController().signal;
  const { capabilities } = await withRetries((attempt) => fileManager.describe({ signal: attempt }), {
    clock,
    limits: { ...retryLimits, ...options.retry },
    breaker: createBreaker(breakerLimits, clock),
    allowanceMs: 0,
    stopping: signal ?? never,
    aborting: never,
    onRetry: () => undefined,
    onAttempt: () => () => undefined,
  });
  return capabilities;
};
