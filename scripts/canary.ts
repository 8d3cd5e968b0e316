/**
 * The word that every secret of a test run holds. Nothing that a run writes may hold it: not a log, an error, a CSV, a
 * report, a database, or what a command prints.
 */
export const canary = 'canary-of-the-test-run';
