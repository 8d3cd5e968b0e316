import { exitCode, FatalError } from '../errors.ts';
import { harmlessLine } from '../harmless.ts';
import { openProjections } from '../status/projections.ts';
import { signOf, verify } from '../verify/verify.ts';
import { bucketOf, type Context } from './context.ts';
import { patientBucket, patientFileManager } from './patient.ts';
import { openExistingLog } from './replay.ts';

export type VerifyCounts = {
  same: number;
  missing: number;
  extra: number;
  different: number;
  unreadable: number;
  projection: number;
};

/** Compares the three sides and hands each path to `each`; resolves with the counts. Throws FatalError when it is stopped. */
export const verifySides = async (
  context: Context,
  checksum: boolean,
  each: (line: Awaited<ReturnType<ReturnType<typeof verify>['next']>>['value']) => void,
): Promise<VerifyCounts> => {
  const counts: VerifyCounts = { same: 0, missing: 0, extra: 0, different: 0, unreadable: 0, projection: 0 };
  const log = await openExistingLog(context.config);
  const live = await openProjections(context.config.paths.projections, log).finally(() => log.close());
  if (!live) throw new FatalError("there are no projections of this log yet: 's3-sync replay' builds them");
  const bucket = bucketOf(context);
  const { signal } = context;
  try {
    for await (const line of verify({
      bucket: patientBucket(context, bucket),
      database: live.database,
      fileManager: patientFileManager(context),
      checksum,
      signal,
    })) {
      each(line);
      if (line.projection !== '=') counts.projection += 1;
      if (signOf(line) === '=') counts.same += 1;
      else if (line.sign === '-') counts.missing += 1;
      else if (line.sign === '+') counts.extra += 1;
      else if (line.sign === '*') counts.different += 1;
      else if (line.sign === '!') counts.unreadable += 1;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new FatalError('stopped before all was compared: run it again', { cause: error });
  } finally {
    bucket.close();
    await live.database.close();
  }
  return counts;
};

export const isEqual = (counts: VerifyCounts): boolean =>
  counts.missing + counts.extra + counts.different + counts.unreadable + counts.projection === 0;

/** Prints the check file: one line a path. Exit 0 only when all three sides are equal. */
export const runVerify = async (context: Context, flags: { checksum?: boolean; json?: boolean }): Promise<number> => {
  const counts = await verifySides(context, flags.checksum === true, (line) => {
    if (!line) return;
    context.print(
      flags.json
        ? `${JSON.stringify(line)}\n`
        : `${signOf(line)} ${harmlessLine(line.path)}${line.detail ? `\t${harmlessLine(line.detail)}` : ''}\n`,
    );
  });
  context.logger.info(counts, isEqual(counts) ? 'bucket, projection and file manager are equal' : 'the sides differ');
  return isEqual(counts) ? exitCode.done : exitCode.failed;
};
