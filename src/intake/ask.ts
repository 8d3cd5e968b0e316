import type { BucketEvent } from '../../events/event.ts';
import { pathOfObject } from '../../events/keys.ts';
import type { Decoded } from '../../events/message.ts';
import type { Bucket, ObjectFacts } from '../bucket/bucket.ts';
import { UnreadableError } from '../bucket/errors.ts';
import { askEach, type Unanswered } from './ask-each.ts';

/** A question that only the bucket can answer, and the place of its event in the batch. */
export type Asked = Pick<Extract<Decoded, { kind: 'ask' }>, 'question' | 'key' | 'event'> & { readonly at: number };

/** The source of an event that the bucket was asked about. */
const marked = (source: string): string => (source.endsWith('+head') ? source : `${source}+head`);

/** The object that stands at the key now. One that no path can stand for is as good as none. */
export const standing = (
  event: BucketEvent,
  facts: Omit<ObjectFacts, 'observedAt'> | undefined,
): BucketEvent | undefined => {
  const source = marked(event.source);
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
    source: marked(event.source),
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
 * Permissions kept in an object's metadata come before those of its ACL; `acl` says whether the ACL of a created object
 * counts at all.
 *
 * Resolves with the questions that got no answer, whose events are as they were. Throws what only a person can repair.
 */
export const answer = async (
  events: (BucketEvent | undefined)[],
  asked: readonly Asked[],
  bucket: Bucket,
  { acl = false, signal }: { readonly acl?: boolean; readonly signal?: AbortSignal } = {},
): Promise<readonly Unanswered<Asked>[]> => {
  const options = signal ? { signal } : {};
  const withAcl = async (event: BucketEvent | undefined, key: string): Promise<BucketEvent | undefined> => {
    if (!acl || event?.type !== 'create' || event.permissions !== undefined || event.path.endsWith('/')) return event;
    const permissions = await bucket.aclPermissions(key, options);
    return permissions === undefined ? event : { ...event, source: marked(event.source), permissions };
  };
  /** What an object that only its owner may read leaves open stays as the message has it. */
  const readable = (key: string): Promise<ObjectFacts | undefined> =>
    bucket.head(key, options).catch((error: unknown) => {
      if (error instanceof UnreadableError) return undefined;
      throw error;
    });
  const permissionsOf = async (question: 'acl' | 'metadata', key: string): Promise<string | undefined> => {
    const facts = await bucket.head(key, options);
    if (!facts || facts.permissions !== undefined || question === 'metadata') return facts?.permissions;
    return bucket.aclPermissions(key, options);
  };
  const ask = async ({ question, key, event, at }: Asked): Promise<void> => {
    if (question === 'head') events[at] = await withAcl(standing(event, await bucket.head(key, options)), key);
    else if (question === 'facts') events[at] = await withAcl(completed(event, await readable(key)), key);
    else {
      const permissions = await permissionsOf(question, key);
      events[at] = permissions === undefined ? undefined : { ...event, source: `${event.source}+acl`, permissions };
    }
  };
  const unanswered = await askEach(asked, ask, signal);
  // To a HEAD, credentials that are refused altogether look like one object that may not be read.
  if (unanswered.some(({ error }) => error instanceof UnreadableError)) await bucket.check(options);
  return unanswered;
};
