import { once } from 'node:events';
import { resolve } from 'node:path';
import { createBucketWriter } from '../bucket/s3.ts';
import { insistHoldsNothingOwn } from '../data-folder/output-place.ts';
import { ConfigError, exitCode } from '../errors.ts';
import { type BackupStorage, createBucketBackup } from '../file-manager/backup.ts';
import { startFileManager } from '../file-manager/server.ts';
import { insistNoFileAt } from '../make-folder.ts';
import type { Context } from './context.ts';

const defaultPort = 8001;

const backupOf = ({ config }: Context): BackupStorage | undefined => {
  const bucket = config.optional('BACKUP_S3_BUCKET');
  if (bucket === undefined) return undefined;
  const endpoint = config.optional('BACKUP_S3_ENDPOINT');
  const region = config.text('BACKUP_S3_REGION');
  const writer = createBucketWriter({
    endpoint,
    region,
    accessKey: config.optional('BACKUP_S3_ACCESS_KEY'),
    secretKey: config.optional('BACKUP_S3_SECRET_KEY'),
    bucket,
    settings: 'BACKUP_S3',
  });
  return createBucketBackup(writer, `${endpoint ?? region}/${bucket}/`);
};

/** Runs the reference file manager until it is stopped. */
export const runFileManager = async (
  context: Context,
  flags: { root?: string; port?: string; host?: string },
): Promise<number> => {
  const port = Number(flags.port ?? defaultPort);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new ConfigError(`--port: expected a port number, found ${JSON.stringify(flags.port)}`);
  const root = resolve(flags.root ?? `${context.config.paths.data}/files`);
  await insistNoFileAt(root, '--root');
  await insistHoldsNothingOwn(root, '--root', context.config.paths);
  const backup = backupOf(context);
  const server = await startFileManager({
    root,
    host: flags.host ?? '127.0.0.1',
    port,
    token: context.config.optional('FILE_MANAGER_TOKEN'),
    trashRetentionMs: context.config.number('TRASH_RETENTION') * 1000,
    logger: context.logger,
    ...(backup && { backup }),
  });
  context.logger.info({ url: server.url, root }, 'file manager is listening');
  if (!context.signal.aborted) await once(context.signal, 'abort');
  await server.close();
  return exitCode.done;
};
