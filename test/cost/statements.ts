import sqlite3 from 'sqlite3';

let count = 0;
/** As the driver has them: every statement of this process passes one of them. */
const calls = sqlite3.Database.prototype as unknown as Record<string, (...given: unknown[]) => unknown>;
for (const name of ['run', 'get', 'all', 'exec']) {
  const call = calls[name] as (...given: unknown[]) => unknown;
  calls[name] = function (this: unknown, ...given: unknown[]) {
    count += 1;
    return call.apply(this, given);
  };
}

/** How many statements SQLite was given while `work` ran. */
export const statementsOf = async (work: () => Promise<unknown>): Promise<number> => {
  const before = count;
  await work();
  return count - before;
};
