import { from, lastValueFrom, mergeMap } from 'rxjs';
import type { BucketEvent } from '../../events/event.ts';
import { pathOfObject } from '../../events/keys.ts';
import type { Decoded } from '../../events/message.ts';
import type { Bucket, ObjectFacts } from '../bucket/bucket.ts';

/** A question that only the bucket can answer, and the place of its event in the batch. */
export type Asked = Pick<Extract<Decoded, { kind: 'ask' }>, 'question' | 'key' | 'event'> & { readonly at: number };

/** Requests to the bucket under way at once. */
const concurrency = 16;

/** The object that stands at the key now. One that no path can stand for is as good as none. */
const standing = (event: BucketEvent, facts: ObjectFacts | undefined): BucketEvent | undefined => {
  const source = `${event.source}+head`;
  if (!facts || 'problem' in pathOfObject(facts.key, facts.size)) {
    // A create without an object was announced too early, or its delete is on its way.
    return event.type === 'delete' ? { ...event, source } : undefined;
  }
  const { size, etag, modifiedAt, permissions } = facts;
  const { scope: _, ...kept } = event;
  return { ...kept, type: 'create', source, size, etag, modifiedAt, ...(permissions !== undefined && { permissions }) };
};

/** The announced object with what its message left out, as long as it is still the one that was announced. */
const completed = (event: BucketEvent, facts: ObjectFacts | undefined): BucketEvent => {
  const isOther =
    !facts ||
    (event.etag !== undefined && facts.etag !== event.etag) ||
    (event.size !== undefined && facts.size !== event.size);
  if (isOther || 'problem' in pathOfObject(facts.key, facts.size)) return event;
  const permissions = event.permissions ?? facts.permissions;
  return {
    ...event,
    source: `${event.source}+head`,
    size: facts.size,
    etag: facts.etag,
    ...(permissions !== undefined && { permissions }),
  };
};

/**
 * Answers every question of a batch in place; an event that turns out to say nothing becomes undefined. The bucket's word
 * is newer than the message, so an object that is there turns a delete into a create with the object's own facts. `source`
 * gets a suffix: a redelivery may be answered differently, and then counts as the duplicate that it is.
 *
 * Permissions kept in an object's metadata come before those of its ACL.
 */
export const answer = async (
  events: (BucketEvent | undefined)[],
  asked: readonly Asked[],
  bucket: Bucket,
  signal?: AbortSignal,
): Promise<void> => {
  const options = signal ? { signal } : {};
  const permissionsOf = async (question: 'acl' | 'metadata', key: string): Promise<string | undefined> => {
    const facts = await bucket.head(key, options);
    if (!facts || facts.permissions !== undefined || question === 'metadata') return facts?.permissions;
    return bucket.aclPermissions(key, options);
  };
  const one = async ({ question, key, event, at }: Asked): Promise<void> => {
    if (question === 'head') events[at] = standing(event, await bucket.head(key, options));
    else if (question === 'facts') events[at] = completed(event, await bucket.head(key, options));
    else {
      const permissions = await permissionsOf(question, key);
      events[at] = permissions === undefined ? undefined : { ...event, source: `${event.source}+acl`, permissions };
    }
  };
  await lastValueFrom(from(asked).pipe(mergeMap(one, concurrency)), { defaultValue: undefined });
};
