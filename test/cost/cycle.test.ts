import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { BucketEvent, OutcomeEvent } from '../../events/event.ts';
import { createWorld, type World } from '../support/world.ts';
import { statementsOf } from './statements.ts';

/** Puts files into both tables, as if cycles had carried them over. */
const settle = async (world: World, files: number): Promise<void> => {
  const numbers = Array.from({ length: files }, (_, at) => at);
  const facts = { size: 1, etag: 'e', time: '2025-01-01T00:00:00Z', modifiedAt: '2025-01-01T00:00:00Z' };
  const { log } = world.workspace();
  const { events } = await log.append(
    numbers.map(
      (n): BucketEvent => ({ ...facts, id: `s${n}`, type: 'create', path: `settled/${n}`, source: 'native' }),
    ),
  );
  await log.append(
    events.map(
      ({ path, offset }): OutcomeEvent => ({
        ...facts,
        id: `outcome:s${offset}`,
        type: 'outcome',
        path,
        source: 'file-manager',
        operation: 'save',
        fileId: offset,
        fileOffset: offset,
      }),
    ),
  );
};

/** The same, with every call noted. */
const counted = <T extends object>(real: T, name: string, calls: string[]): T =>
  new Proxy(real, {
    get: (target, key, receiver) => {
      const member: unknown = Reflect.get(target, key, receiver);
      if (typeof member !== 'function') return member;
      return (...given: unknown[]): unknown => {
        calls.push(`${name}: ${String(key)}`);
        return (member as (...given: unknown[]) => unknown).apply(target, given);
      };
    },
  });

/** What one cycle costs that carries three new files over, beside so many that did not change. */
const costOf = async (settled: number) => {
  const world = await createWorld();
  try {
    await settle(world, settled);
    await world.cycle();
    for (const name of ['a', 'b', 'c']) await world.put(`new/${name}`, 'content', { permissions: '0640' });
    await world.workspace().projector.catchUp();
    const asked: string[] = [];
    let folder = '';
    const statements = await statementsOf(async () => {
      const bucket = counted(world.bucket, 'bucket', asked);
      const cycle = await world.cycle({ bucket, fileManager: counted(world.client, 'file manager', asked) });
      folder = cycle.folder;
    });
    const linesOf = async (name: string): Promise<number> =>
      (await readFile(join(folder, name), 'utf8')).split('\n').length - 1;
    const rows = await Promise.all(['old.csv', 'new.csv', 'operations.jsonl'].map(linesOf));
    const idleAsked: string[] = [];
    const fileManager = counted(world.client, 'file manager', idleAsked);
    const idle = await statementsOf(() => world.cycle({ fileManager }));
    return { statements, rows, asked: asked.sort(), idle, idleAsked };
  } finally {
    await world.close();
  }
};

test.serial('a cycle costs what changed: the same beside 3,000 files as beside 10', async (t) => {
  const few = await costOf(10);
  const many = await costOf(3_000);
  t.deepEqual(many, few);
  t.deepEqual(few.rows, [1, 4, 3], 'a header, and the changed rows');
  t.deepEqual(few.asked, [
    ...Array<string>(3).fill('bucket: get'),
    'bucket: identify',
    'file manager: describe',
    ...Array<string>(3).fill('file manager: saveToDisk'),
  ]);
  t.deepEqual(few.idleAsked, []);
});
