import { RetryableError } from '../../src/errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import type { World } from '../support/world.ts';
import { worldTest } from '../support/world-test.ts';

const once = { retry: { attemptsMax: 1 } };
const minute = 60_000;
const withWorld = worldTest({ timeoutMs: 90_000 });

/** A file manager that says nothing about these paths, whether it did what it was asked or not; it does nothing. */
const silentAbout = (world: World, isSilent: (path: string) => boolean, asked: string[] = []): FileManager => {
  const silent = <A extends [path: string, ...rest: unknown[]], R>(call: (...args: A) => Promise<R>) => {
    return (...args: A): Promise<R> => {
      asked.push(args[0]);
      return isSilent(args[0]) ? Promise.reject(new RetryableError('the connection was reset')) : call(...args);
    };
  };
  const { saveToDisk, delete: remove, rename, move, updatePermissions } = world.client;
  return {
    ...world.client,
    saveToDisk: silent(saveToDisk),
    delete: silent(remove),
    rename: silent(rename),
    move: silent(move),
    updatePermissions: silent(updatePermissions),
  };
};

withWorld('a path about which the file manager says nothing keeps no other waiting', async (t, world) => {
  const asked: string[] = [];
  let isSilent = true;
  const fileManager = silentAbout(world, (path) => isSilent && path === 'bad', asked);
  await world.put('bad', 'x');
  const begun = Date.now();
  for (let at = 0; at < 5; at++) {
    await world.put(`good${at}`, 'content');
    const now = (): number => begun + at * minute;
    const { report } = await world.cycle({ fileManager, now, ...once });
    t.is(report.states.done, 1, `in cycle ${at}`);
  }
  t.deepEqual(
    asked.filter((path) => path === 'bad').length,
    4,
    'first, then in the next cycle, and after one, two and four minutes: the last is still to come',
  );
  isSilent = false;
  await world.cycle({ fileManager, now: () => begun + 60 * minute });
  t.deepEqual(await world.differences(), []);
  t.is((await world.cycle()).report.status, 'idle');
});
