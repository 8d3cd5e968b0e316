import type { Readable } from 'node:stream';
import type { Patience } from '../patience.ts';
import type { Verification } from './checksum.ts';

/** One object of a listing. */
export type ListedObject = {
  readonly key: string;
  readonly size: number;
  /** Without the quotes that HTTP puts around it. */
  readonly etag: string;
  /** RFC 3339, UTC. */
  readonly modifiedAt: string;
};

/** One page of a listing, with the server's own clock (the `Date` header): what the listing observed, and when. */
export type ListingPage = {
  readonly objects: readonly ListedObject[];
  /** RFC 3339, UTC, whole seconds: the listing holds every change the bucket had taken before this moment. */
  readonly observedAt: string;
  readonly last: boolean;
};

/**
 * What a HEAD tells. `permissions` comes from the object's user metadata as s3fs, rclone, DataSync and FSx write it; a folder's
 * marker has none.
 */
export type ObjectFacts = ListedObject & {
  readonly permissions?: string;
  readonly versionId?: string;
  readonly observedAt: string;
};

export type ObjectContent = {
  readonly facts: ObjectFacts;
  /** Verified while it streams: it errors when length or checksum does not hold. */
  readonly body: Readable;
  /** By what the bytes are verified; `unverified` when the bucket states nothing that they could be checked against. */
  readonly verification: Verification;
};

/** Which bucket it is. `created` (RFC 3339) only where the endpoint tells: a bucket that was made anew has another. */
export type BucketIdentity = { readonly endpoint: string; readonly name: string; readonly created?: string };

/** The customer's bucket, read only. Errors are ConfigError, RetryableError, FatalError or SupersededError. */
export type Bucket = {
  readonly name: string;
  /** With `patience` each page is asked for again where that may help. */
  list(options?: {
    prefix?: string;
    startAfter?: string;
    signal?: AbortSignal;
    patience?: Patience;
  }): AsyncIterable<ListingPage>;
  /** Undefined when there is no such object. */
  head(key: string, options?: { signal?: AbortSignal }): Promise<ObjectFacts | undefined>;
  /** Permissions from the object's ACL through the configured mapping; undefined when the ACL maps to none. */
  aclPermissions(key: string, options?: { signal?: AbortSignal }): Promise<string | undefined>;
  /** Reads with `If-Match` where an etag is given. SupersededError when it no longer matches or is gone. */
  get(key: string, options?: { ifMatch?: string; signal?: AbortSignal }): Promise<ObjectContent>;
  /** Which bucket this is, and what time its server has (RFC 3339, whole seconds). */
  identify(options?: { signal?: AbortSignal }): Promise<{ identity: BucketIdentity; observedAt: string }>;
  /** One cheap request that proves endpoint, credentials and bucket. */
  check(options?: { signal?: AbortSignal }): Promise<void>;
};
