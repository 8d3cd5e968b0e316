import { decode, type Format } from '../../events/decode.ts';
import type { BucketEvent } from '../../events/event.ts';
import type { Bucket } from '../bucket/bucket.ts';
import type { WritableLog } from '../log/log.ts';
import type { Poison } from '../log/quarantine.ts';
import type { Delivery } from '../sources/source.ts';
import { type Asked, answer } from './ask.ts';

/** What became of the messages of one batch. */
export type Intake = {
  readonly messages: number;
  /** New events in the log. */
  readonly appended: number;
  readonly duplicates: number;
  readonly ignored: number;
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
  /** What the messages are, where it is said; otherwise each is looked at. */
  readonly format?: Format;
  readonly signal?: AbortSignal;
};

/**
 * One step of the stream: decode, ask the bucket where needed, append, commit. When it resolves, everything is durable and
 * the deliveries may be acked, but for those in `refused`: what was good in them is in the log too, and comes again as a
 * duplicate. When it throws, nothing of the batch is in the log.
 */
export const takeIn = async (deliveries: readonly Delivery[], options: IntakeOptions): Promise<Intake> => {
  const events: BucketEvent[] = [];
  const asked: Asked[] = [];
  const poison: Poison[] = [];
  const origin = new Map<Poison, Delivery>();
  const carriers = new Map<string, Set<Delivery>>();
  let ignored = 0;
  const reject = (delivery: Delivery, reason: string): void => {
    const entry: Poison = {
      source: options.sourceName,
      deliveryId: delivery.deliveryId,
      reason,
      attributes: delivery.message.attributes,
      body: delivery.message.body,
    };
    poison.push(entry);
    origin.set(entry, delivery);
  };
  for (const delivery of deliveries) {
    if (delivery.unreadable !== undefined) {
      reject(delivery, delivery.unreadable);
      continue;
    }
    for (const decoded of decode(delivery.message, {
      ...(options.format !== undefined && { format: options.format }),
      ...(options.bucketName !== undefined && { bucket: options.bucketName }),
    })) {
      if (decoded.kind === 'event' || decoded.kind === 'ask') {
        const { id } = decoded.event;
        carriers.set(id, (carriers.get(id) ?? new Set()).add(delivery));
      }
      if (decoded.kind === 'event') events.push(decoded.event);
      else if (decoded.kind === 'ignore') ignored++;
      else if (decoded.kind === 'reject') reject(delivery, decoded.reason);
      else if (options.bucket) asked.push({ at: events.push(decoded.event) - 1, ...decoded });
      else
        reject(
          delivery,
          `only the bucket can tell what happened to ${JSON.stringify(decoded.key)}: configure CUSTOMER_S3_BUCKET, then retry`,
        );
    }
  }
  if (options.bucket && asked.length > 0) await answer(events, asked, options.bucket, options.signal);
  const result = await options.log.append(events, poison);
  const conflicts = result.conflicts.length;
  // A conflict's entry is made by the log, and names the event's id; which of its carriers brought it nobody can tell.
  const refusedBy = (entry: Poison): Iterable<Delivery> => {
    const delivery = origin.get(entry);
    return delivery ? [delivery] : (carriers.get(entry.deliveryId) ?? []);
  };
  const refusedConflicts = result.refused.filter((entry) => !origin.has(entry)).length;
  return {
    messages: deliveries.length,
    appended: result.events.length,
    duplicates: result.duplicates,
    ignored,
    quarantined: result.quarantined + conflicts - refusedConflicts,
    refused: [...new Set(result.refused.flatMap((entry) => [...refusedBy(entry)]))],
  };
};
