import { Readable } from 'node:stream';
import { isFolder, type OutcomeEvent } from '../../events/event.ts';
import type { Bucket } from '../bucket/bucket.ts';
import type { CallOptions, FileManager } from '../file-manager/file-manager.ts';
import type { Step } from '../plan/operation.ts';

export type StepContext = {
  readonly fileManager: FileManager;
  readonly bucket: Bucket;
  /** For files of which nobody states permissions. */
  readonly defaultPermissions?: string | undefined;
  readonly signal: AbortSignal;
};

/** What a step carried over. */
export type StepResult = { readonly permissions?: string; readonly bytes: number };

/**
 * Carries out one step, once. Bytes are opened first, under `If-Match`, so nothing is touched for an object that has
 * changed; permissions are set before the content becomes readable. All keys derive from the operation's id.
 */
export const carryOutStep = async (step: Step, context: StepContext): Promise<StepResult> => {
  const { operation } = step;
  const { fileManager, signal } = context;
  const options: CallOptions = { idempotencyKey: operation.op_id, signal };
  switch (operation.kind) {
    case 'save':
      return save(step, context, options);
    case 'update_permissions':
      await fileManager.updatePermissions(operation.path, operation.permissions ?? '', options);
      break;
    case 'delete':
      await fileManager.delete(operation.path, { ...options, recursive: operation.recursive === true });
      break;
    case 'rename':
      await fileManager.rename(operation.path, operation.to as string, options);
      break;
    case 'move':
      await fileManager.move(operation.path, operation.to as string, options);
      break;
  }
  return { bytes: 0 };
};

const save = async (step: Step, context: StepContext, options: CallOptions): Promise<StepResult> => {
  const { operation, result } = step;
  const { fileManager, bucket, signal, defaultPermissions } = context;
  if (isFolder(operation.path)) {
    await fileManager.saveToDisk(operation.path, { body: Readable.from([]), length: 0 }, options);
    return { bytes: 0 };
  }
  const key = result?.key ?? operation.path;
  const { facts, body } = await bucket.get(key, {
    signal,
    ...(operation.etag !== undefined && { ifMatch: operation.etag }),
  });
  try {
    const permissions = result?.permissions ?? facts.permissions ?? defaultPermissions;
    if (permissions !== undefined) {
      await fileManager.updatePermissions(operation.path, permissions, {
        ...options,
        idempotencyKey: `${operation.op_id}-permissions`,
      });
    }
    await fileManager.saveToDisk(operation.path, { body, length: facts.size }, options);
    return { bytes: facts.size, ...(permissions !== undefined && { permissions }) };
  } finally {
    body.destroy();
  }
};

/** The fact that goes into the log once the file manager has confirmed a step. */
export const outcomeOf = ({ operation, result }: Step, { permissions }: StepResult, time: string): OutcomeEvent => ({
  id: `outcome:${operation.op_id}`,
  type: 'outcome',
  time,
  path: operation.path,
  ...(operation.to !== undefined && { to: operation.to }),
  ...(result?.size != null && { size: result.size }),
  ...(result?.etag != null && { etag: result.etag }),
  ...((permissions ?? result?.permissions) != null && { permissions: permissions ?? (result?.permissions as string) }),
  ...(result?.key != null && { key: result.key }),
  ...(result && { modifiedAt: result.modified_at }),
  ...(operation.kind === 'delete' && isFolder(operation.path) && !operation.recursive && { scope: 'marker' as const }),
  source: 'file-manager',
  operation: operation.kind,
  fileId: operation.file_id,
  fileOffset: result?.offset ?? 0,
});
