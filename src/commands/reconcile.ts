import { addressOf } from '../cycle/address.ts';
import { remember } from '../cycle/memory.ts';
import { exitCode, FatalError } from '../errors.ts';
import type { ScanResult } from '../scan/scan.ts';
import { type FileManagerScanResult, scanFileManager } from '../scan/scan-file-manager.ts';
import { counted, fitted } from '../text.ts';
import { bucketOf, type Context } from './context.ts';
import { listBucket } from './listing.ts';
import { patientBucket, patientFileManager } from './patient.ts';
import { createProgress } from './progress.ts';

/** Compares a fresh listing with the projection, and appends what is missing or stale as events. */
export const runReconcile = async (
  context: Context,
  flags: { dryRun?: boolean; prefix?: string; json?: boolean },
): Promise<number> => {
  const workspace = await context.openWorkspace();
  const bucket = bucketOf(context);
  try {
    const result = await listBucket(context, workspace, bucket, flags);
    await workspace.projector.catchUp();
    const verb = flags.dryRun ? 'would be appended' : 'appended';
    context.print(
      flags.json
        ? `${JSON.stringify(result)}\n`
        : fitted(
            `${counted(result.listed, 'object')} listed; ${verb}: ${result.missing} missing, ${result.stale} stale, ${result.gone} gone; ${counted(result.unrepresentable, 'key cannot be a path', 'keys cannot be paths')}${unlistedText(result)}${overtakenText(result)}${unreadText(result)}\n`,
          ),
    );
    if (!result.complete) throw new FatalError('stopped before the bucket was listed to its end: run it again');
    return exitCode.done;
  } finally {
    bucket.close();
    await workspace.close();
  }
};

const overtakenText = ({ overtaken }: ScanResult): string =>
  overtaken > 0
    ? `; ${counted(overtaken, 'more has', 'more have')} no effect: events that came meanwhile say otherwise, run it again`
    : '';

const unlistedText = ({ unlisted }: ScanResult): string =>
  unlisted > 0
    ? `; the listing lacks ${counted(unlisted, 'more, which is there when it is asked for, or may be', 'more, which are there when they are asked for, or may be')}`
    : '';

const unreadText = ({ unread }: ScanResult): string =>
  unread > 0
    ? `; the permissions of ${unread} cannot be read: check what the access key may do, and the bucket's own storage`
    : '';

/** Compares the file manager's listing with the mirror, and appends what was found there as outcomes. */
export const runReconcileFileManager = async (
  context: Context,
  flags: { dryRun?: boolean; prefix?: string; checksum?: boolean; json?: boolean },
): Promise<number> => {
  const workspace = await context.openWorkspace();
  const bucket = bucketOf(context);
  try {
    const result = await scanFileManager({
      workspace,
      bucket: patientBucket(context, bucket),
      fileManager: patientFileManager(context),
      signal: context.signal,
      onProgress: createProgress(context.logger, 'comparing the file manager', 'paths'),
      ...(flags.prefix !== undefined && { prefix: flags.prefix }),
      ...(flags.checksum && { checksum: true }),
      ...(flags.dryRun && { dryRun: true }),
    });
    context.print(flags.json ? `${JSON.stringify(result)}\n` : textOf(result, flags.dryRun === true));
    // What cannot be read on both sides is no sign of another file manager, and may stay so for ever.
    if (result.complete && !flags.dryRun && flags.prefix === undefined)
      await remember(workspace.log.database, { fileManager: addressOf(context.config.text('FILE_MANAGER_API_URL')) });
    if (!result.complete) throw new FatalError('stopped before the file manager was listed to its end: run it again');
    return result.unread === 0 ? exitCode.done : exitCode.failed;
  } finally {
    bucket.close();
    await workspace.close();
  }
};

const textOf = (result: FileManagerScanResult, dryRun: boolean): string => {
  const { missing, unknown, different, under_way, unread } = result;
  const verb = dryRun ? 'would be appended' : 'appended';
  const lines = [
    `${counted(result.compared, 'path')} compared; ${verb}: ${missing} missing in the file manager, ${unknown} only there, ${different} different`,
    ...(under_way > 0
      ? [`${under_way} left to the operation that is under way there: run a cycle, then this again`]
      : []),
    ...(unread > 0 ? [`${unread} could not be read on both sides: 's3-sync verify --checksum' names them`] : []),
    ...(!dryRun && missing + unknown + different > 0 ? ['the next cycle puts them right'] : []),
  ];
  return fitted(`${lines.join('\n')}\n`);
};
