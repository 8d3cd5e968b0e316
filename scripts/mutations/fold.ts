import type { Mutation } from './list.ts';

const bulkTests = ['test/projector/bulk-fold.test.ts'];
const databaseTests = ['test/storage/database.test.ts'];
const rowsTests = ['test/projections/packed-rows.test.ts'];
const file = 'src/projector/bulk-fold.ts';

/** Breaks of the fold on bytes, and of the door to SQLite that it reads and writes through. */
export const foldMutations: readonly Mutation[] = [
  {
    name: 'fold in bulk: a create takes permissions away',
    file,
    find: 'before !== nowhere && isNull(place.permissions)',
    replace: 'false',
    tests: bulkTests,
    match: 'any history*',
  },
  {
    name: 'fold in bulk: a marker event holds for all beneath the folder',
    file,
    find: ' && isNull(place.scope)',
    replace: '',
    tests: bulkTests,
    match: 'any history*',
  },
  {
    name: 'fold in bulk: tell the order of tokens by escaped bytes',
    file,
    find: ' || one === backslash || two === backslash',
    replace: '',
    tests: bulkTests,
    match: 'it gives up*',
  },
  {
    name: 'fold in bulk: tell the order of tokens by the bytes of any script',
    file,
    find: '(one | two) >= beyondAscii || ',
    replace: '',
    tests: bulkTests,
    match: 'it gives up*',
  },
  {
    name: 'fold in bulk: compare the tokens of two schemes',
    file,
    find: 'sawColon ? one > two : undefined',
    replace: 'one > two',
    tests: bulkTests,
    match: 'it gives up*',
  },
  {
    name: 'fold in bulk: a late time does not count beside a later token',
    file,
    find: 'comesAfter(bytes, last.timeFrom, timeFrom, timeLength, false) === false &&',
    replace: '',
    tests: bulkTests,
    match: 'it gives up*',
  },
  {
    name: 'fold in bulk: rows of any length',
    file,
    find: '<= rowBytesMax;',
    replace: '<= Infinity;',
    tests: bulkTests,
    match: 'rows that are too long*',
  },
  {
    name: 'fold in bulk: the event that it gave up at counts as folded',
    file,
    find: 'isWhole = false;\n          break;',
    replace: 'isWhole = false;',
    tests: bulkTests,
    match: 'any history*',
  },
  {
    name: 'fold in bulk: read on behind the place where it gave up',
    file: 'src/projector/projector.ts',
    find: 'isWhole && !of.signal?.aborted ?',
    replace: '!of.signal?.aborted ?',
    tests: bulkTests,
    match: 'any history*',
  },
  {
    name: 'packed rows: a gap in the index hides what stands behind it',
    file: 'projections/path-index.ts',
    find: 'slots[gap] = slots[at] as number;',
    replace: '',
    tests: rowsTests,
  },
  {
    name: 'packed rows: tidying brings back what is gone',
    file: 'projections/packed-rows.ts',
    find: ' === row;',
    replace: ' !== nowhere;',
    tests: rowsTests,
  },
  {
    name: 'packed rows: nothing is tidied',
    file: 'projections/packed-rows.ts',
    find: 'if (wasted * 4 < taken || taken < chunkUnits) return;',
    replace: 'return;',
    tests: rowsTests,
  },
  {
    name: 'leave a statement that failed under way',
    file: 'src/storage/database.ts',
    find: 'await end(statement);\n      throw error;',
    replace: 'throw error;',
    tests: databaseTests,
  },
  {
    name: 'leave a read open after its first row',
    file: 'src/storage/database.ts',
    find: '(await direct.all<T>(sql, parameters))[0]',
    replace: 'using(sql, (statement) => statement.get<T>(checked(parameters)))',
    tests: databaseTests,
  },
  {
    name: 'let a statement wait for its turn when nothing is before it',
    file: 'src/storage/database.ts',
    find: 'waiting === 1 ? work() : tail.then(work)',
    replace: 'tail.then(work)',
    tests: ['test/cost/storage.test.ts'],
    match: 'a statement that is known*',
  },
];
