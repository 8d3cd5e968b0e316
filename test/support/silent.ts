import { RetryableError } from '../../src/errors.ts';
import type { FileManager } from '../../src/file-manager/file-manager.ts';
import type { World } from './world.ts';

/** A file manager that says nothing about these paths, whether it did what it was asked or not; it does nothing. */
export const silentAbout = (world: World, isSilent: (path: string) => boolean, asked: string[] = []): FileManager => {
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
