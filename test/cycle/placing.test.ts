import test from 'ava';
import type { FileRow } from '../../projections/rows.ts';
import { folderFacts, withoutBlocked } from '../../src/cycle/placing.ts';
import type { Change } from '../../src/plan/operation.ts';
import type { Queries } from '../../src/storage/database.ts';

// A statement takes its names as one text, and no text is longer than half a gigabyte.
test('of very many changes the tables are asked in lots, about each name once', async (t) => {
  const row = { file_id: 1, key: null, size: 1, etag: 'e', permissions: null, modified_at: '', offset: 1 };
  const changes = Array.from({ length: 250_000 }, (_, at): Change => {
    const want: FileRow = { ...row, path: `f${at}` };
    return { path: want.path, have: null, want };
  });
  const asked: string[][] = [];
  const all = async (_sql: string, parameters: readonly unknown[] = []): Promise<never[]> => {
    asked.push(JSON.parse(parameters[0] as string) as string[]);
    return [];
  };
  const queries = { all } as unknown as Queries;
  for (const ask of [withoutBlocked, (from: Queries, of: Change[]) => folderFacts(from, of, undefined)]) {
    asked.length = 0;
    await ask(queries, changes);
    t.deepEqual(
      asked.map(({ length }) => length),
      [100_000, 100_000, 50_000],
    );
    t.is(new Set(asked.flat()).size, changes.length);
  }
});
