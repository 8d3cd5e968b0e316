import type { Bucket } from '../bucket/bucket.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { type ScanResult, scanBucket } from '../scan/scan.ts';
import type { Context } from './context.ts';
import { patientBucket } from './patient.ts';
import { createProgress, endProgressLine } from './progress.ts';

/** Lists the bucket as it is configured, and appends what is missing or stale in the log. */
export const listBucket = (
  context: Context,
  workspace: Workspace,
  bucket: Bucket,
  { prefix, dryRun = false }: { readonly prefix?: string | undefined; readonly dryRun?: boolean | undefined },
): Promise<ScanResult> => {
  const { config, logger, signal } = context;
  return scanBucket({
    workspace,
    bucket: patientBucket(context, bucket),
    metadata: config.flag('CUSTOMER_S3_METADATA'),
    acl: config.optional('ACL_PERMISSIONS') !== undefined,
    signal,
    onProgress: createProgress(logger, 'listing the bucket', 'objects'),
    dryRun,
    ...(prefix !== undefined && { prefix }),
  }).finally(endProgressLine);
};
