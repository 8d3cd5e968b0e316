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
 * How far a message decides what became of its key. `asked`: only the bucket can tell what stands there now. `claimed`: the
 * bucket is asked as well, since it knows better; without one the message is taken at its word.
 */
export type Certainty = 'certain' | 'claimed' | 'asked';

/** What an event name stands for. Names that carry neither content nor permissions are ignored; unknown ones are refused. */
export type Meaning =
  | { readonly type: BucketEventType; readonly certainty: Certainty }
  | { readonly type: 'ignore'; readonly reason: string }
  | { readonly type: 'unknown' };

const noConcern = 'changes neither content nor permissions';

/** Each row: a pattern of the whole name, and what it means. The first that fits counts. */
const names: readonly (readonly [RegExp, BucketEventType, Certainty?] | readonly [RegExp, 'ignore', string?])[] = [
  [/^ObjectCreated:(Put|Post|Copy|CompleteMultipartUpload)$/, 'create'],
  [/^(ObjectRemoved|LifecycleExpiration):Delete$/, 'delete'],
  [/^(ObjectRemoved|LifecycleExpiration):DeleteMarkerCreated$/, 'delete', 'claimed'],
  [/^ObjectRemoved:DeleteAllVersions$/, 'delete', 'claimed'],
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

/** Ceph's extensions, in both spellings that its releases use. Its replication tells of what came from another zone. */
const cephNames: typeof names = [
  [/^ObjectLifecycle:Expiration:(Current|Non[Cc]urrent|DeleteMarker)$/, 'delete', 'asked'],
  [/^ObjectLifecycle:Expiration:(AbortMPU|AbortMultipartUpload)$/, 'ignore'],
  [/^ObjectLifecycle:Transition:(Current|Non[Cc]urrent)$/, 'ignore'],
  [/^(ObjectSynced|Replication):Create$/, 'create', 'asked'],
  [/^(ObjectSynced|Replication):(Delete|DeletionMarkerCreated)$/, 'delete', 'asked'],
  // Also sent when a multipart upload begins, before there is any object.
  [/^ObjectCreated:Post$/, 'create', 'asked'],
];

/** MinIO gives the removal of a delete marker, which may bring a file back, the same name as its making. */
const minioNames: typeof names = [[/^ObjectRemoved:DeleteMarkerCreated$/, 'delete', 'asked']];

const ownNames: Readonly<Partial<Record<Producer, typeof names>>> = { ceph: cephNames, minio: minioNames };

/** The meaning of an event name, with or without the `s3:` before it. */
export const meaningOf = (name: string, producer: Producer): Meaning => {
  const bare = name.replace(/^s3:/, '');
  const row = [...(ownNames[producer] ?? []), ...names].find(([pattern]) => pattern.test(bare));
  if (!row) return { type: 'unknown' };
  if (row[1] === 'ignore') return { type: 'ignore', reason: `${bare}: ${row[2] ?? noConcern}` };
  return { type: row[1], certainty: row[2] ?? 'certain' };
};
