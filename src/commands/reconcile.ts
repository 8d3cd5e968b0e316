import { exitCode } from '../errors.ts';
import { scanBucket } from '../scan/scan.ts';
import { bucketOf, type Context } from './context.ts';
import { createProgress } from './progress.ts';

/** Compares a fresh listing with the projection, and appends what is missing or stale as events. */
export const runReconcile = async (
  context: Context,
  flags: { dryRun?: boolean; prefix?: string; json?: boolean },
): Promise<number> => {
  context.config.require(['CUSTOMER_S3_BUCKET'], "'s3-sync reconcile'");
  const workspace = await context.openWorkspace();
  const bucket = bucketOf(context);
  try {
    const result = await scanBucket({
      workspace,
      bucket,
      metadata: context.config.flag('CUSTOMER_S3_METADATA'),
      acl: context.config.optional('ACL_PERMISSIONS') !== undefined,
      signal: context.signal,
      onProgress: createProgress(context.logger, 'listing the bucket', 'objects'),
      ...(flags.prefix !== undefined && { prefix: flags.prefix }),
      ...(flags.dryRun && { dryRun: true }),
    });
    await workspace.projector.catchUp();
    const verb = flags.dryRun ? 'would be appended' : 'appended';
    context.print(
      flags.json
        ? `${JSON.stringify(result)}\n`
        : `${result.listed} objects listed; ${verb}: ${result.missing} missing, ${result.stale} stale, ${result.gone} gone; ${result.unrepresentable} keys cannot be paths\n`,
    );
    return result.complete ? exitCode.done : exitCode.failed;
  } finally {
    bucket.close();
    await workspace.close();
  }
};
