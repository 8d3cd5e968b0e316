import { wrapCalls } from '../support/sqlite-calls.ts';

let statements = 0;
// Every statement passes some of them, and ends with its callback.
const methods = {
  database: ['run', 'get', 'all', 'exec', 'prepare', 'close'],
  statement: ['run', 'all', 'finalize'],
};
wrapCalls(methods, (call, given) => {
  const done = given.at(-1);
  if (typeof done !== 'function') return call(...given);
  statements += 1;
  return call(...given.slice(0, -1), function (this: unknown, ...result: unknown[]) {
    statements -= 1;
    return done.apply(this, result) as unknown;
  });
});

/** Whether anything outside of this thread is under way: a statement of SQLite, a file, a connection. */
export const isOutside = (): boolean =>
  statements > 0 || process.getActiveResourcesInfo().some((name) => /^(FSReq|CloseReq|TCP|GetAddrInfo)/.test(name));
