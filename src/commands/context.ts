import { parseAclMapping } from '../bucket/acl.ts';
import type { Bucket } from '../bucket/bucket.ts';
import { createBucket } from '../bucket/s3.ts';
import type { Config } from '../config/config.ts';
import { addressOf } from '../cycle/address.ts';
import type { CycleOptions } from '../cycle/cycle.ts';
import { unreadableSchedule } from '../cycle/unreadable.ts';
import type { Workspace } from '../data-folder/workspace.ts';
import { createFileManagerClient, type FileManagerClient } from '../file-manager/client.ts';
import type { PermissionSources } from '../intake/unstated.ts';
import type { Logger } from '../logger.ts';
import { gateLimits } from '../plan/gate.ts';
import { reportEndpoints } from '../report/endpoints.ts';
import { tellOtherAddress } from './other-address.ts';
import { createProgress } from './progress.ts';

/** What every command is given. Data goes to `print`, logs to standard error. */
export type Context = {
  readonly command: string;
  readonly config: Config;
  readonly logger: Logger;
  /** Aborted by the first Ctrl-C: finish what is in hand, then stop. */
  readonly signal: AbortSignal;
  /** Takes text, or its UTF-8 bytes, which must stay as they are unless `isPrinted` says that nobody needs them any more. */
  readonly print: (text: string | Uint8Array) => void;
  /** Whether all that was printed has been handed to the system. */
  readonly isPrinted?: () => boolean;
  /** Whether anybody may still read what is printed. */
  readonly isRead?: () => boolean;
  /** The log and its projections; within the daemon those that it has open. Throws FolderInUseError. */
  readonly openWorkspace: () => Promise<Workspace>;
};

export const bucketOf = ({ config }: Context): Bucket & { close(): void } =>
  createBucket({
    endpoint: config.optional('CUSTOMER_S3_ENDPOINT'),
    region: config.text('CUSTOMER_S3_REGION'),
    accessKey: config.optional('CUSTOMER_S3_ACCESS_KEY'),
    secretKey: config.optional('CUSTOMER_S3_SECRET_KEY'),
    bucket: config.text('CUSTOMER_S3_BUCKET'),
    aclMapping: parseAclMapping(config.optional('ACL_PERMISSIONS') ?? ''),
  });

/** Where the permissions of created objects come from, beside the messages themselves. */
export const permissionSources = ({ config }: Context, workspace: Workspace): PermissionSources => ({
  ...(config.flag('CUSTOMER_S3_METADATA') && { files: workspace.projector.database }),
  acl: config.optional('ACL_PERMISSIONS') !== undefined,
});

export const fileManagerOf = ({ config }: Context): FileManagerClient => {
  const token = config.optional('FILE_MANAGER_TOKEN');
  return createFileManagerClient({
    baseUrl: config.text('FILE_MANAGER_API_URL'),
    ...(token !== undefined && { token }),
  });
};

const optionalNumber = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(text);

/** The options of a cycle, as configured. */
export const cycleOptions = (context: Context, workspace: Workspace, bucket: Bucket): CycleOptions => {
  const { config, signal, logger } = context;
  const progress = createProgress(logger, 'carrying over', 'operations');
  return {
    workspace,
    bucket,
    dataFolder: config.paths.data,
    fileManager: fileManagerOf(context),
    fileManagerAddress: addressOf(config.text('FILE_MANAGER_API_URL')),
    onOtherAddress: (other) => tellOtherAddress(logger, other),
    gate: {
      ...gateLimits,
      deleteMax: config.number('GATE_DELETE_MAX'),
      deleteShareMax: config.number('GATE_DELETE_SHARE_MAX'),
    },
    concurrency: config.number('SYNC_CONCURRENCY'),
    pace: {
      requestsPerSecond: optionalNumber(config.optional('SYNC_REQUESTS_PER_SECOND')),
      bytesPerSecond: optionalNumber(config.optional('SYNC_BYTES_PER_SECOND')),
    },
    unreadable: { ...unreadableSchedule, firstMs: config.number('UNREADABLE_RETRY') * 1000 },
    acl: config.optional('ACL_PERMISSIONS') !== undefined,
    metadata: config.flag('CUSTOMER_S3_METADATA'),
    defaultPermissions: config.optional('DEFAULT_PERMISSIONS'),
    reportEndpoints: reportEndpoints(config),
    // The address may carry a secret in its query.
    onUndelivered: ({ url, problem, waiting, refused }) =>
      logger.warn({ host: new URL(url).host, problem, waiting, refused }, 'reports wait for an endpoint'),
    cyclesKept: config.number('CYCLES_KEPT'),
    onFolderLeft: ({ message }) => logger.warn({ problem: message }, "an older cycle's folder cannot be removed"),
    signal,
    onProgress: (finished, planned) => progress(finished, planned),
  };
};
