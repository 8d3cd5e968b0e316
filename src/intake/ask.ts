import { from, lastValueFrom, mergeMap } from 'rxjs';
import type { BucketEvent } from '../../events/event.ts';
import type { Decoded } from '../../events/message.ts';
import type { Bucket } from '../bucket/bucket.ts';

/** A question that only the bucket can answer, and the place of its event in the batch. */
export type Asked = Extract<Decoded, { kind: 'ask' }> & { readonly at: number };

/** Requests to the bucket under way at once. */
const concurrency = 16;

/**
 * Answers every question of a batch in place. The bucket's word is newer than the message, so an object that is there
 * turns a delete into a create with the object's own facts. `source` gets a suffix: a redelivery may be answered
 * differently, and then counts as the duplicate that it is.
 */
export const answer = async (
  events: BucketEvent[],
  asked: readonly Asked[],
  bucket: Bucket,
  signal?: AbortSignal,
): Promise<void> => {
  const options = signal ? { signal } : {};
  const one = async ({ question, key, event, at }: Asked): Promise<void> => {
    if (question === 'acl') {
      const permissions = await bucket.aclPermissions(key, options);
      events[at] = { ...event, source: `${event.source}+acl`, ...(permissions !== undefined && { permissions }) };
      return;
    }
    const facts = await bucket.head(key, options);
    const source = `${event.source}+head`;
    events[at] = facts
      ? {
          ...event,
          type: 'create',
          source,
          size: facts.size,
          etag: facts.etag,
          modifiedAt: facts.modifiedAt,
          ...(facts.permissions !== undefined && { permissions: facts.permissions }),
        }
      : { ...event, type: 'delete', source };
  };
  await lastValueFrom(from(asked).pipe(mergeMap(one, concurrency)), { defaultValue: undefined });
};
