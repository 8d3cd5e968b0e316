import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { type Confirmation, isFolder } from '../../events/event.ts';
import type { Bucket } from '../bucket/bucket.ts';
import type { Verification } from '../bucket/checksum.ts';
import { UnreadableError, UnservedError } from '../bucket/errors.ts';
import { FatalError, RetryableError, SupersededError } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import { FailedAnswerError, RefusedError } from '../file-manager/client-errors.ts';
import type { CallOptions, Content, FileManager } from '../file-manager/file-manager.ts';
import type { Step } from '../plan/operation.ts';
import { type Serving, served } from './serving.ts';

export type StepContext = {
  readonly fileManager: FileManager;
  readonly bucket: Bucket;
  /** For files of which nobody states permissions. */
  readonly defaultPermissions?: string | undefined;
  /** The file manager can set a folder's permissions without those of what is beneath. */
  readonly folderPermissions?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Tells, while the step is carried out, whether it is the bucket that is waited for. */
  readonly serving: Serving;
  /** Called once permissions are set that another request was to follow. */
  readonly onPartial?: () => void;
  /** Called where the file manager has nothing of what a rename is to take, nor is it to be had from the bucket. */
  readonly onMissing?: () => void;
  /** See CallOptions. */
  readonly onRemembered?: CallOptions['onRemembered'];
};

/** What a step carried over. */
export type StepResult = {
  /** Those that were set, where the row itself states none. */
  readonly permissions?: string;
  readonly bytes: number;
  readonly verification?: Verification;
};

/** What every key of a step begins with. */
const keyOf = ({ operation, key }: Step): string => key ?? operation.op_id;

/**
 * Carries out one step, once. Repeating it is harmless: every key derives from the operation's id, or from the key that was
 * noted for the step. Throws RetryableError (UnservedError where it was the bucket that failed), SupersededError (the object
 * has changed), UnreadableError, FatalError or ConfigError; `onPartial` tells where something was touched nevertheless.
 */
export const carryOutStep = async (step: Step, context: StepContext): Promise<StepResult> => {
  const { operation } = step;
  const { fileManager, signal, onRemembered } = context;
  failpoint('step.before');
  const options: CallOptions = { idempotencyKey: keyOf(step), signal, onRemembered };
  switch (operation.kind) {
    case 'save':
      if (!isFolder(operation.path)) return saveFile(operation, step, context, options);
      await saveFolder(step, context, options);
      break;
    case 'update_permissions':
      await fileManager.updatePermissions(operation.path, stated(operation.permissions, 'permissions'), {
        ...options,
        ...(operation.recursive === false && { recursive: false }),
      });
      break;
    case 'delete':
      await fileManager.delete(operation.path, { ...options, recursive: operation.recursive === true });
      break;
    case 'rename':
    case 'move':
      return relocate(step, context, options);
  }
  return { bytes: 0 };
};

/**
 * Renames or moves. A source that is not there was moved by an attempt whose key the file manager has forgotten, or was lost:
 * either way the file is stored at its new path from the bucket, which is where the operation leads. What the bucket does
 * not hold under that name (a temporary path, a folder) stays refused.
 */
const relocate = async (step: Step, context: StepContext, options: CallOptions): Promise<StepResult> => {
  const { operation, result } = step;
  const to = stated(operation.to, 'to');
  try {
    await context.fileManager[operation.kind === 'move' ? 'move' : 'rename'](operation.path, to, options);
    return { bytes: 0 };
  } catch (error) {
    if (!(error instanceof RefusedError && error.status === 404) || isFolder(to) || result === null) throw error;
    const source = {
      path: to,
      ...(result.size !== null && { size: result.size }),
      ...(result.etag !== null && { etag: result.etag }),
    };
    try {
      return await saveFile(source, step, context, { ...options, idempotencyKey: `${keyOf(step)}:save` });
    } catch (instead) {
      const isElse = instead instanceof SupersededError;
      if (isElse || instead instanceof UnreadableError) context.onMissing?.();
      throw isElse ? error : instead;
    }
  }
};

const stated = (value: string | undefined, field: string): string => {
  if (value === undefined) throw new FatalError(`the plan is damaged: an operation has no "${field}"; plan again`);
  return value;
};

/**
 * A key of its own for the permissions of a save. It holds the permissions too: where the row states none they come from
 * the object, and may have changed there since an earlier attempt, which then is another request.
 */
const permissionsKey = (step: Step, permissions: string): string =>
  `${keyOf(step)}:permissions:${createHash('sha256').update(permissions).digest('hex').slice(0, 16)}`;

/** Those that a file gets; undefined where nobody states any. */
const permissionsOf = (
  { operation, result }: Step,
  fromObject: string | undefined,
  { defaultPermissions }: StepContext,
): string | undefined => {
  const kept = result?.permissions ?? undefined;
  // Other content brings its own, unless the plan states them; those of the file that it replaces are kept where it has none.
  const own = operation.kind === 'save' ? (operation.permissions ?? fromObject ?? kept) : (kept ?? fromObject);
  return own ?? defaultPermissions;
};

/**
 * Stores content with its permissions: in one request where the step says so. Else they are set before the content becomes
 * readable, and what is there already can be read under them until it comes.
 */
const store = async (
  path: string,
  { permissions, ...content }: Content,
  step: Step,
  { fileManager, onPartial }: StepContext,
  options: CallOptions,
): Promise<void> => {
  if (permissions !== undefined && !step.withPermissions) {
    const idempotencyKey = permissionsKey(step, permissions);
    const alone = isFolder(path) && { recursive: false };
    await fileManager.updatePermissions(path, permissions, { ...options, idempotencyKey, ...alone });
    onPartial?.();
  }
  failpoint('step.permitted');
  await fileManager.saveToDisk(path, step.withPermissions ? { ...content, permissions } : content, options);
};

/** Where its permissions cannot be set alone they are not set: they would hold for all beneath the folder. */
const saveFolder = async (step: Step, context: StepContext, options: CallOptions): Promise<void> => {
  const isSettable = step.withPermissions || context.folderPermissions;
  const permissions = (isSettable && step.result?.permissions) || undefined;
  const body = Readable.from([], { objectMode: false });
  await store(step.operation.path, { body, length: 0, permissions }, step, context, options);
};

/**
 * Bytes are opened first, under `If-Match`, so nothing is touched for an object that has changed or cannot be read by then;
 * then they stream through.
 */
const saveFile = async (
  { path, size, etag }: { readonly path: string; readonly size?: number; readonly etag?: string },
  step: Step,
  context: StepContext,
  options: CallOptions,
): Promise<StepResult> => {
  const { bucket, signal, serving } = context;
  const key = step.result?.key ?? path;
  let body: Readable | undefined;
  try {
    serving.isAwaited = true;
    const content = await bucket.get(key, { signal, ...(etag !== undefined && { ifMatch: etag }) });
    serving.isAwaited = false;
    body = content.body;
    const { facts, verification } = content;
    failpoint('step.opened');
    if (etag === undefined && size !== undefined && size !== facts.size)
      throw new SupersededError(`read ${JSON.stringify(key)}: it is ${facts.size} bytes long, not ${size}`);
    const permissions = permissionsOf(step, facts.permissions, context);
    const chunks = served(body, facts.size, serving);
    await store(path, { body: chunks, length: facts.size, permissions }, step, context, options);
    return { bytes: facts.size, verification, ...(permissions !== undefined && { permissions }) };
  } catch (error) {
    throw serving.isAwaited ? asUnserved(error, key) : error;
  } finally {
    serving.isAwaited = false;
    body?.destroy();
  }
};

/** What ended the wait for the bucket, as a failure of the bucket's: a file manager that was kept waiting goes away too. */
const asUnserved = (error: unknown, key: string): unknown => {
  if (!(error instanceof RetryableError) || error instanceof FailedAnswerError) return error;
  const text = `${error.message}, while the bucket was to give ${JSON.stringify(key)}`;
  return new UnservedError(text, { cause: error, retryAfterMs: error.retryAfterMs });
};

/** Whether an operation, other than a save, on a folder leaves what is beneath as it is. */
export const isOfFolderAlone = ({ kind, path, recursive }: Step['operation']): boolean =>
  isFolder(path) && ((kind === 'delete' && !recursive) || (kind === 'update_permissions' && recursive === false));

/** The fact that goes into the log once the file manager has confirmed a step: the row that the mirror now holds. */
export const outcomeOf = ({ operation, result }: Step, { permissions }: StepResult, time: string): Confirmation => ({
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
  ...(isOfFolderAlone(operation) && { scope: 'marker' as const }),
  source: 'file-manager',
  operation: operation.kind,
  fileId: operation.file_id,
  fileOffset: result?.offset ?? 0,
});
