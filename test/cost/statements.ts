import { wrapCalls } from '../support/sqlite-calls.ts';

let count = 0;
/** `Database` hands over to `Statement`, within the same call. */
let within = false;
// Every statement passes one of them, prepared or not.
wrapCalls({ database: ['run', 'get', 'all', 'exec'], statement: ['run', 'get', 'all'] }, (call, given) => {
  if (within) return call(...given);
  count += 1;
  within = true;
  try {
    return call(...given);
  } finally {
    within = false;
  }
});

/** How many statements SQLite was given so far. */
export const statementsBegun = (): number => count;

/** How many statements SQLite was given while `work` ran. */
export const statementsOf = async (work: () => Promise<unknown>): Promise<number> => {
  const before = count;
  await work();
  return count - before;
};
