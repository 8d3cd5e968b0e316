import test from 'ava';
import { askSuperseded } from '../../src/cycle/ask-again.ts';
import { prepareWaiting, readWaiting } from '../../src/cycle/unreadable.ts';
import type { Workspace } from '../../src/data-folder/workspace.ts';
import type { Database } from '../../src/storage/database.ts';
import { createWorld } from '../support/world.ts';

/** How SQLite carries out each of the statements, while they are given to it. */
const explained = (database: Database, plans: Map<string, string>): Database => ({
  ...database,
  all: async <T>(sql: string, parameters: Parameters<Database['all']>[1] = []): Promise<T[]> => {
    const steps = await database.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, parameters);
    plans.set(sql, steps.map(({ detail }) => detail).join('; '));
    return database.all<T>(sql, parameters);
  },
  get: async <T>(sql: string, parameters: Parameters<Database['all']>[1] = []): Promise<T | undefined> =>
    (await explained(database, plans).all<T>(sql, parameters))[0],
});

// Where a gate is held for a month, or nothing was carried over yet, all of a bucket differs.
test('what waits is found from the few that wait, and not from all that differs', async (t) => {
  const world = await createWorld();
  try {
    const workspace = world.workspace();
    const { database } = workspace.projector;
    await prepareWaiting(database);
    const plans = new Map<string, string>();
    const watched = explained(database, plans);
    for (const table of ['unreadable', 'superseded', 'unanswered'] as const) await readWaiting(watched, table);
    const asking: Workspace = { ...workspace, projector: { ...workspace.projector, database: watched } };
    await askSuperseded({ workspace: asking, bucket: world.bucket });
    const asked = [...plans].filter(([sql]) => !sql.includes('sqlite_schema'));
    t.is(asked.length, 7);
    for (const [sql, plan] of asked) t.regex(plan, /^SCAN (unreadable|superseded|unanswered|s)\b/, sql);
  } finally {
    await world.close();
  }
});
