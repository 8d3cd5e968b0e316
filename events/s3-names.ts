import type { BucketEventType } from './event.ts';

/** Who wrote a notification in the S3 form. They differ in how they encode keys, and in what their sequencer is worth. */
export type Producer = 's3' | 'minio' | 'ceph' | 'storj';

const sources: Readonly<Record<string, Producer>> = {
  'aws:s3': 's3',
  'minio:s3': 'minio',
  'ceph:s3': 'ceph',
  'storj:s3': 'storj',
};

export const producerOf = (eventSource: string): Producer | undefined =>
  Object.hasOwn(sources, eventSource) ? sources[eventSource] : undefined;

/**
 * What an event name stands for. `asked`: the bucket has to be asked what stands at the key now. Names that carry neither
 * content nor permissions are ignored; unknown ones are refused.
 */
export type Meaning =
  | { readonly type: BucketEventType; readonly asked: boolean }
  | { readonly type: 'ignore'; readonly reason: string }
  | { readonly type: 'unknown' };

const noConcern = 'changes neither content nor permissions';

/** Each row: a pattern of the whole name, and what it means. The first that fits counts. */
const names: readonly (readonly [RegExp, BucketEventType | 'ignore', ('asked' | string)?])[] = [
  [/^ObjectCreated:(Put|Post|Copy|CompleteMultipartUpload)$/, 'create'],
  [/^(ObjectRemoved|LifecycleExpiration):Delete$/, 'delete'],
  [/^(ObjectRemoved|LifecycleExpiration):DeleteMarkerCreated$/, 'delete', 'asked'],
  [/^ObjectRemoved:DeleteAllVersions$/, 'delete', 'asked'],
  [/^LifecycleDelMarkerExpiration:Delete$/, 'delete', 'asked'],
  [/^ObjectAcl:Put$/, 'change_permission'],
  [/^(ObjectTagging|ObjectRetention|ObjectLegalHold|ObjectAnnotation|Replication):\w+$/, 'ignore'],
  [/^ObjectRestore:(Post|Completed)$/, 'ignore'],
  [/^ObjectRestore:Delete$/, 'ignore', 'only the temporary copy of an archived object has expired'],
  [/^(LifecycleTransition|IntelligentTiering)$/, 'ignore'],
  [/^ReducedRedundancyLostObject$/, 'ignore', 'the provider lost the object: what was carried over is the last copy'],
  // MinIO files these under ObjectCreated, and has events of its own.
  [/^ObjectCreated:(PutTagging|DeleteTagging|PutRetention|PutLegalHold)$/, 'ignore'],
  [/^ObjectRemoved:NoOP$/, 'ignore', 'there was nothing to remove'],
  [/^(ObjectAccessed|Scanner):\w+$/, 'ignore'],
  [/^ObjectTransition:(Failed|Complete)$/, 'ignore'],
];

/** Ceph's extensions, in both spellings that its releases use. */
const cephNames: typeof names = [
  [/^ObjectLifecycle:Expiration:(Current|Non[Cc]urrent|DeleteMarker)$/, 'delete', 'asked'],
  [/^ObjectLifecycle:Expiration:(AbortMPU|AbortMultipartUpload)$/, 'ignore'],
  [/^ObjectLifecycle:Transition:(Current|Non[Cc]urrent)$/, 'ignore'],
  [/^ObjectSynced:Create$/, 'create', 'asked'],
  [/^ObjectSynced:(Delete|DeletionMarkerCreated)$/, 'delete', 'asked'],
  // Also sent when a multipart upload begins, before there is any object.
  [/^ObjectCreated:Post$/, 'create', 'asked'],
];

/** The meaning of an event name, with or without the `s3:` before it. */
export const meaningOf = (name: string, producer: Producer): Meaning => {
  const bare = name.replace(/^s3:/, '');
  const row = [...(producer === 'ceph' ? cephNames : []), ...names].find(([pattern]) => pattern.test(bare));
  if (!row) return { type: 'unknown' };
  const [, type, more] = row;
  return type === 'ignore' ? { type, reason: `${bare}: ${more ?? noConcern}` } : { type, asked: more === 'asked' };
};
