import { decode, type Format } from '../../events/decode.ts';
import type { BucketEvent, LogEvent } from '../../events/event.ts';
import type { Bucket } from '../bucket/bucket.ts';
import type { WritableLog } from '../log/log.ts';
import { joinedReasons, type Poison } from '../log/quarantine.ts';
import type { Delivery } from '../sources/source.ts';
import { type Asked, answer } from './ask.ts';
import { askUnstated, type PermissionSources } from './unstated.ts';

/** What became of the messages of one batch. */
export type Intake = {
  readonly messages: number;
  /** New events in the log. */
  readonly appended: number;
  readonly duplicates: number;
  readonly ignored: number;
  /** Facts that quarantine holds now: put there, or counted once more. */
  readonly quarantined: number;
  /** Deliveries for which quarantine has no room: they go back to their broker. */
  readonly refused: readonly Delivery[];
};

export type IntakeOptions = {
  readonly log: WritableLog;
  readonly sourceName: string;
  readonly bucketName?: string;
  /** Asked where a message alone cannot decide; without it such messages are quarantined. */
  readonly bucket?: Bucket;
  /** Where the permissions of created objects are looked for, beside the messages. */
  readonly permissions?: PermissionSources;
  /** What the messages are, where it is said; otherwise each is looked at. */
  readonly format?: Format;
  /** The messages are in quarantine already: what is still rejected is counted, and its entry stays as it is. */
  readonly retried?: true;
  readonly signal?: AbortSignal;
};

/** What a batch of messages holds, each part with the delivery that brought it. */
type Collected = {
  readonly events: (BucketEvent | undefined)[];
  /** The delivery of each event, by its place in `events`. */
  readonly carriers: Delivery[];
  readonly asked: Asked[];
  ignored: number;
  /** Reasons of what was rejected; a message with several bad records has several. */
  readonly rejected: Map<Delivery, string[]>;
};

const collect = (deliveries: readonly Delivery[], { format, bucketName, bucket }: IntakeOptions): Collected => {
  const events: BucketEvent[] = [];
  const carriers: Delivery[] = [];
  const asked: Asked[] = [];
  const rejected = new Map<Delivery, string[]>();
  let ignored = 0;
  const decodeOptions = {
    ...(format !== undefined && { format }),
    ...(bucketName !== undefined && { bucket: bucketName }),
  };
  const reject = (delivery: Delivery, reason: string): void => {
    const reasons = rejected.get(delivery);
    if (reasons) reasons.push(reason);
    else rejected.set(delivery, [reason]);
  };
  const take = (delivery: Delivery, event: BucketEvent): number => {
    carriers.push(delivery);
    return events.push(event) - 1;
  };
  for (const delivery of deliveries) {
    if (delivery.unreadable !== undefined) {
      reject(delivery, delivery.unreadable);
      continue;
    }
    for (const decoded of decode(delivery.message, decodeOptions)) {
      if (decoded.kind === 'event') take(delivery, decoded.event);
      else if (decoded.kind === 'ignore') ignored++;
      else if (decoded.kind === 'reject') reject(delivery, decoded.reason);
      else if (bucket) asked.push({ at: take(delivery, decoded.event), ...decoded });
      else if (decoded.unasked === 'event') take(delivery, decoded.event);
      else if (decoded.unasked === 'ignore') ignored++;
      else reject(delivery, onlyTheBucket(decoded.key));
    }
  }
  return { events, carriers, asked, ignored, rejected };
};

const onlyTheBucket = (key: string): string =>
  `only the bucket can tell what happened to ${JSON.stringify(key)}: configure CUSTOMER_S3_BUCKET, then retry`;

/**
 * One step of the stream: decode, ask the bucket where needed, append, commit. When it resolves, everything is durable and
 * the deliveries may be acked, but for those in `refused`: what was good in them is in the log too, and comes again as a
 * duplicate. When it throws, nothing of the batch is in the log.
 *
 * The counts add up: each fact that the messages hold is appended, a duplicate, ignored, in quarantine, or was refused.
 */
export const takeIn = async (deliveries: readonly Delivery[], options: IntakeOptions): Promise<Intake> => {
  const { events, carriers, asked, ignored, rejected } = collect(deliveries, options);
  if (options.bucket) {
    const permissions = options.permissions ?? { acl: false };
    const all = [...asked, ...(await askUnstated(events, asked, permissions))];
    const { signal } = options;
    if (all.length > 0) await answer(events, all, options.bucket, { acl: permissions.acl, ...(signal && { signal }) });
  }
  const origin = new Map<Poison, Delivery>();
  const poisonOf = (delivery: Delivery, reason: string): Poison => {
    const { deliveryId, message } = delivery;
    const entry = {
      source: options.sourceName,
      deliveryId,
      reason,
      attributes: message.attributes,
      body: message.body,
      ...(options.format !== undefined && options.format !== 'auto' && { format: options.format }),
    };
    origin.set(entry, delivery);
    return entry;
  };
  // One entry a message, however many of its records are bad: it is retried, or dropped, as a whole.
  const poison = options.retried
    ? []
    : [...rejected].map(([delivery, reasons]) => poisonOf(delivery, joinedReasons(reasons)));
  const stated: BucketEvent[] = [];
  const carrierOf = new Map<LogEvent, Delivery>();
  events.forEach((event, at) => {
    if (!event) return;
    stated.push(event);
    carrierOf.set(event, carriers[at] as Delivery);
  });
  const result = await options.log.append(stated, poison, (event, reason) =>
    options.retried ? undefined : poisonOf(carrierOf.get(event) as Delivery, reason),
  );
  const refused = new Set(result.refused.flatMap((entry) => origin.get(entry) ?? []));
  const kept = (delivery: Delivery | undefined): boolean => delivery !== undefined && !refused.has(delivery);
  const rejectedFacts = [...rejected].reduce((sum, [delivery, { length }]) => sum + (kept(delivery) ? length : 0), 0);
  return {
    messages: deliveries.length,
    appended: result.events.length,
    duplicates: result.duplicates,
    ignored: ignored + events.length - stated.length,
    quarantined: rejectedFacts + result.conflicts.filter((event) => kept(carrierOf.get(event))).length,
    refused: [...refused],
  };
};
