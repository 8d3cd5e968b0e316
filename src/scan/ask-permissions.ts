import type { ListedObject } from '../bucket/bucket.ts';
import { FailingObjectError, UnreadableError } from '../bucket/errors.ts';
import { askOne } from '../intake/ask-each.ts';
import type { ScanOptions } from './scan.ts';

export type AskPermissions = {
  /** Undefined where the object states none, or is kept from us. `path`: of the create that is to state them. */
  of(object: ListedObject, path?: string): Promise<string | undefined>;
  /** Paths of objects that the bucket has no answer about, and that are not recorded without permissions. */
  readonly leftOut: ReadonlySet<string>;
};

/**
 * Asks for the permissions of listed objects. One that is kept from us keeps no other from being listed; whether its content
 * can be read shows when it is saved. `onUnread` is called for each of them.
 */
export const createAskPermissions = (
  { workspace, bucket, metadata, acl, signal }: ScanOptions,
  onUnread: () => void,
): AskPermissions => {
  const leftOut = new Set<string>();
  const stated = async ({ key, etag }: ListedObject): Promise<string | undefined> => {
    const within = signal ? { signal } : {};
    const facts = metadata ? await bucket.head(key, within) : undefined;
    if (facts?.permissions !== undefined) return facts.etag === etag ? facts.permissions : undefined;
    return acl ? bucket.aclPermissions(key, within) : undefined;
  };
  /**
   * Whether permissions that are not the object's would stand for them for good: those that are known are kept, and content
   * that is there already is not read again.
   */
  const wouldKeepOthers = async (path: string, { size, etag }: ListedObject): Promise<boolean> => {
    if (acl) return true;
    const known = await workspace.projector.database.get(
      `SELECT 1 FROM file WHERE path = ?1 AND permissions IS NOT NULL
       UNION ALL
       SELECT 1 FROM mirror WHERE path = ?1 AND (permissions IS NOT NULL OR (size = ?2 AND etag = ?3))`,
      [path, size, etag],
    );
    return known !== undefined;
  };
  return {
    leftOut,
    of: async (object, path) => {
      try {
        return await askOne(() => stated(object), bucket, signal);
      } catch (error) {
        if (!(error instanceof UnreadableError)) throw error;
        onUnread();
        const isFailing = error instanceof FailingObjectError && path !== undefined;
        if (isFailing && (await wouldKeepOthers(path, object))) leftOut.add(path);
        return undefined;
      }
    },
  };
};
