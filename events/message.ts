import type { BucketEvent } from './event.ts';

/** What a broker delivered, before anyone looked inside. */
export type Message = {
  /** The raw body as received. */
  readonly body: Buffer;
  /** Broker attributes or HTTP headers, lower-cased names for headers, as sent for attributes. */
  readonly attributes: Readonly<Record<string, string>>;
};

/**
 * What a message turned out to hold. One message may hold several (S3 `Records`), and each stands for itself: one that
 * is rejected never takes its neighbours along.
 */
export type Decoded =
  | { readonly kind: 'event'; readonly event: BucketEvent }
  /** The message alone cannot decide; the bucket must be asked about `key` first (versioned deletes, ACL changes). */
  | { readonly kind: 'ask'; readonly question: 'head' | 'acl'; readonly key: string; readonly event: BucketEvent }
  /** Understood, and of no concern: a test event, a tag change. */
  | { readonly kind: 'ignore'; readonly reason: string }
  /** Not understood, or not representable: goes to quarantine with its raw bytes. */
  | { readonly kind: 'reject'; readonly reason: string };
