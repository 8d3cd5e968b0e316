import type { BucketEvent } from './event.ts';

/** What a broker delivered, before anyone looked inside. */
export type Message = {
  /** The raw body as received. */
  readonly body: Buffer;
  /** Broker attributes or HTTP headers, lower-cased names for headers, as sent for attributes. */
  readonly attributes: Readonly<Record<string, string>>;
};

/**
 * What only the bucket knows.
 * - `head`: whether the key holds an object now, and which. A delete of one version, a delete marker, or the removal of
 *   one look alike; what stands there now is what counts.
 * - `facts`: what the message leaves out of an object it has announced (size, etag, permissions).
 * - `metadata`: the permissions in the object's metadata, after the metadata changed.
 * - `acl`: the permissions that the object's ACL comes to, after the ACL changed.
 */
export type Question = 'head' | 'facts' | 'metadata' | 'acl';

/**
 * What a message turned out to hold. One message may hold several (S3 `Records`), and each stands for itself: one that
 * is rejected never takes its neighbours along.
 */
export type Decoded =
  | { readonly kind: 'event'; readonly event: BucketEvent }
  /**
   * The bucket is to be asked about `key` first. `unasked` says what the fact is worth where no bucket is configured: it
   * stands as it is, is of no concern, or cannot be understood.
   */
  | {
      readonly kind: 'ask';
      readonly question: Question;
      readonly unasked: 'event' | 'ignore' | 'reject';
      readonly key: string;
      readonly event: BucketEvent;
    }
  /** Understood, and of no concern: a test event, a tag change. */
  | { readonly kind: 'ignore'; readonly reason: string }
  /** Not understood, or not representable: goes to quarantine with its raw bytes. */
  | { readonly kind: 'reject'; readonly reason: string };
