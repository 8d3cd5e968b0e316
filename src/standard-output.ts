import { asDiskError } from './disk-error.ts';
import { exitCode, messageOf } from './errors.ts';

/**
 * Standard output. A reader that has seen enough (`| head`) closes the pipe: that is no error. From then on nothing is
 * printed, and the command ends as it would have, with its own exit code: a script may ask for nothing else.
 */
let hasReader = true;

export const print = (text: string | Uint8Array): void => {
  if (hasReader) process.stdout.write(text);
};

/** Whether all that was printed has been handed to the system. */
export const isPrinted = (): boolean => !hasReader || process.stdout.writableLength === 0;

/** Whether anybody may read what is printed: a listing that serves nothing else may end when nobody does. */
export const isRead = (): boolean => hasReader;

const failedToPrint = (error: NodeJS.ErrnoException): void => {
  if (error.code === 'EPIPE') {
    hasReader = false;
    return;
  }
  const problem = asDiskError(error, 'standard output');
  const said = problem === error ? `cannot write standard output: ${error.message}` : messageOf(problem);
  process.stderr.write(`s3-sync: ${said}\n`);
  process.exit(exitCode.failed);
};

/** To be called before anything is printed. */
export const outliveReaders = (): void => {
  process.stdout.on('error', failedToPrint);
  // What cannot be said there can be said nowhere.
  process.stderr.on('error', () => undefined);
};
