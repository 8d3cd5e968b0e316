import type { Bucket } from '../bucket/bucket.ts';
import type { FileManagerClient } from '../file-manager/client.ts';
import type { FileManager, FileManagerEntry } from '../file-manager/file-manager.ts';
import { createPatience, type Patience } from '../patience.ts';
import { type Context, fileManagerOf } from './context.ts';

/**
 * What is asked again outside a cycle, in one place. A cycle repeats its operations by itself (`src/apply/retry.ts`), and what
 * it leaves comes up in the next one; a listing that broke off would begin anew. So these go on from where they were:
 *
 * - the bucket's listing, a page at a time, beside the three times that the bucket's client sends each request;
 * - the file manager's listing, behind the last entry that came;
 * - the questions whether bucket and file manager are there, which decide about single objects and files that fail;
 * - `undo` of the file manager, under its idempotency key.
 *
 * The bytes of a file are read again where they are compared (`src/verify/bytes.ts`).
 */
const patienceWith = ({ signal, logger }: Context, side: 'bucket' | 'file manager'): Patience =>
  createPatience({
    signal,
    onRetry: ({ message }, waitMs) => logger.warn({ problem: message, waitMs }, `the ${side} is asked again`),
  });

export const patientBucket = <Given extends Bucket>(context: Context, bucket: Given): Given => {
  const patience = patienceWith(context, 'bucket');
  return {
    ...bucket,
    list: (options) => bucket.list({ ...options, patience }),
    check: (options) => patience(() => bucket.check(options)),
  };
};

export const patientFileManager = (context: Context): FileManagerClient => {
  const fileManager = fileManagerOf(context);
  const patience = patienceWith(context, 'file manager');
  return {
    ...fileManager,
    describe: (options) => patience(() => fileManager.describe(options)),
    list: (options) => goingOn(fileManager, patience, options),
    undo: (what, call) => patience(() => fileManager.undo(what, call)),
  };
};

/** The file manager's listing; where it breaks off, it is asked for the rest. */
async function* goingOn(
  fileManager: FileManager,
  patience: Patience,
  options: Parameters<FileManager['list']>[0],
): AsyncGenerator<FileManagerEntry> {
  let rest = options;
  let entries: AsyncIterator<FileManagerEntry> | undefined;
  const next = async (): Promise<IteratorResult<FileManagerEntry>> => {
    entries ??= fileManager.list(rest)[Symbol.asyncIterator]();
    try {
      return await entries.next();
    } catch (error) {
      entries = undefined;
      throw error;
    }
  };
  try {
    for (let result = await patience(next); !result.done; result = await patience(next)) {
      rest = { ...rest, after: result.value.path };
      yield result.value;
    }
  } finally {
    await entries?.return?.();
  }
}
