import { decode, type Format } from '../../events/decode.ts';
import type { BucketEvent, LogEvent, Recorded } from '../../events/event.ts';
import { compareEvents } from '../../events/order.ts';
import type { Bucket } from '../bucket/bucket.ts';
import { recall } from '../cycle/memory.ts';
import { RetryableError } from '../errors.ts';
import type { WritableLog } from '../log/log.ts';
import { joinedReasons, type Poison } from '../log/quarantine.ts';
import type { Delivery } from '../sources/source.ts';
import { type Asked, answer } from './ask.ts';
import { askBeside } from './beside.ts';
import type { Views } from './known-files.ts';
import { findRenamed, nextTouches, type Renamed } from './renamed.ts';
import { askUnstated, type PermissionSources } from './unstated.ts';

/** What became of the messages of one batch. */
export type Intake = {
  readonly messages: number;
  /** New events in the log. */
  readonly appended: number;
  readonly duplicates: number;
  readonly ignored: number;
  /** Facts that are not understood, or use an event's id for something else. */
  readonly rejected: number;
  /** The messages that brought them, which quarantine holds now: put there, or counted once more. */
  readonly quarantined: number;
  /** Renames that say too little by themselves, and that the bucket was not, or not wholly, asked about. */
  readonly unsettled: number;
  /** Deliveries for which quarantine has no room: they go back to their broker. */
  readonly refused: readonly Delivery[];
  /** Deliveries about which the bucket cannot be asked just now, in their order: they go back to their broker, whole. */
  readonly waiting: readonly Delivery[];
  readonly waitingFor?: string;
};

export type IntakeOptions = {
  readonly log: WritableLog;
  readonly sourceName: string;
  readonly bucketName?: string;
  /** Asked where a message alone cannot decide; without it such messages are quarantined. */
  readonly bucket?: Bucket;
  /** Where the permissions of created objects are looked for, beside the messages. */
  readonly permissions?: PermissionSources;
  /** What the log knows: tells of which renames the bucket must be asked. */
  readonly views?: Views;
  /** What the messages are, where it is said; otherwise each is looked at. */
  readonly format?: Format;
  /** The messages are in quarantine already: what is still rejected is counted, and its entry stays as it is. */
  readonly retried?: true;
  /** Told of the new events, once they are durable. */
  readonly onAppended?: (events: readonly Recorded[]) => void;
  readonly signal?: AbortSignal;
};

/** What a batch of messages holds, each part with the delivery that brought it. */
type Collected = {
  readonly events: (BucketEvent | undefined)[];
  /** The delivery of each event, by its place in `events`. */
  readonly carriers: Delivery[];
  readonly asked: Asked[];
  ignored: number;
  /** Events that became nothing because their object may not be read: each is a reason in `rejected` instead. */
  unreadable: number;
  /** What the bucket told beside renames and moves, by the event's place in `events`. */
  beside: readonly { readonly at: number; readonly event: BucketEvent }[];
  unsettled: number;
  /** Reasons of what was rejected; a message with several bad records has several. */
  readonly rejected: Map<Delivery, string[]>;
};

const addReason = (rejected: Collected['rejected'], delivery: Delivery, reason: string): void => {
  const reasons = rejected.get(delivery);
  if (reasons) reasons.push(reason);
  else rejected.set(delivery, [reason]);
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
  const reject = (delivery: Delivery, reason: string): void => addReason(rejected, delivery, reason);
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
  return { events, carriers, asked, ignored, unreadable: 0, beside: [], unsettled: 0, rejected };
};

/** Answers what the bucket is asked. Resolves with the deliveries that must wait for it, each with the reason. */
const ask = async (
  collected: Collected,
  { bucket, permissions = { acl: false }, signal }: IntakeOptions,
): Promise<ReadonlyMap<Delivery, Error>> => {
  const { events, carriers, asked } = collected;
  const waiting = new Map<Delivery, Error>();
  if (!bucket) return waiting;
  const all = [...asked, ...(await askUnstated(events, asked, permissions))];
  if (all.length === 0) return waiting;
  const unanswered = await answer(events, all, bucket, { acl: permissions.acl, ...(signal && { signal }) });
  for (const { asked: question, error } of unanswered) {
    const carrier = carriers[question.at] as Delivery;
    if (error instanceof RetryableError) waiting.set(carrier, error);
    else {
      events[question.at] = undefined;
      collected.unreadable += 1;
      addReason(collected.rejected, carrier, `${error.message}; then retry`);
    }
  }
  return waiting;
};

/** Asks where files were renamed to, as far as the renames do not say enough. Resolves with the deliveries that must wait. */
const askRenamed = async (
  collected: Collected,
  { bucket, views, log, permissions, signal }: IntakeOptions,
): Promise<ReadonlyMap<Delivery, Error>> => {
  const { events, carriers } = collected;
  const waiting = new Map<Delivery, Error>();
  if (!views || !events.some((event) => event?.to !== undefined)) return waiting;
  const { listings = [] } = await recall(log.database);
  let found = await findRenamed(events, views, listings);
  // Most renames are plain at first sight; only for the others is it worth waiting until all is folded.
  if (found.length > 0 && views.settled) {
    await views.settled();
    found = await findRenamed(events, views, listings);
  }
  if (found.length === 0) return waiting;
  // What is delivered again was asked about, and the bucket has moved on.
  const held = await log.holds(found.map(({ event }) => event.id));
  const open = found.filter(({ event }) => !held.has(event.id));
  if (!bucket) {
    collected.unsettled = open.filter(({ unknown }) => unknown).length;
    return waiting;
  }
  if (open.length === 0) return waiting;
  const nextTouch = nextTouches(events);
  const { records, unanswered, tooLarge } = await askBeside(open, nextTouch, views, bucket, {
    acl: permissions?.acl ?? false,
    ...(signal && { signal }),
  });
  collected.beside = records;
  const unreadable = new Set<Renamed>();
  for (const { renamed, error } of unanswered) {
    const carrier = carriers[renamed.at] as Delivery;
    if (error instanceof RetryableError) waiting.set(carrier, error);
    else if (renamed.unknown) {
      events[renamed.at] = undefined;
      collected.unreadable += 1;
      addReason(collected.rejected, carrier, `${error.message}; then retry`);
    } else unreadable.add(renamed);
  }
  // What leads to where one of these begins waits with it: alone it finds nothing there, and what it brought stays unknown.
  const inOrder = open.map(({ event, at }) => ({ ...event, offset: at })).sort(compareEvents);
  for (const { to, offset: at } of inOrder.reverse()) {
    const next = nextTouch(to, at);
    const error = next && waiting.get(carriers[next.offset] as Delivery);
    if (error) waiting.set(carriers[at] as Delivery, error);
  }
  collected.unsettled = tooLarge + unreadable.size;
  return waiting;
};

const onlyTheBucket = (key: string): string =>
  `only the bucket can tell what happened to ${JSON.stringify(key)}: configure CUSTOMER_S3_BUCKET, then retry`;

/**
 * One step of the stream: decode, ask the bucket where needed, append, commit. When it resolves, everything is durable and
 * the deliveries may be acked, but for those in `refused`: what was good in them is in the log too, and comes again as a
 * duplicate; and for those in `waiting`, of which nothing is. When it throws, nothing of the batch is in the log.
 *
 * The counts add up: each fact that the messages hold is appended, a duplicate, ignored, rejected, was refused, or waits.
 * Beside them, what the bucket told of renames is appended.
 */
export const takeIn = async (deliveries: readonly Delivery[], options: IntakeOptions): Promise<Intake> => {
  const collected = collect(deliveries, options);
  const unasked = await ask(collected, options);
  const waiting = unasked.size > 0 ? unasked : await askRenamed(collected, options);
  const [waitsFor] = waiting.values();
  if (waitsFor) {
    const rest = await takeIn(
      deliveries.filter((delivery) => !waiting.has(delivery)),
      options,
    );
    const back = new Set([...waiting.keys(), ...rest.waiting]);
    return {
      ...rest,
      messages: deliveries.length,
      waiting: deliveries.filter((delivery) => back.has(delivery)),
      waitingFor: waitsFor.message,
    };
  }
  const { events, carriers, ignored, unreadable, beside, unsettled, rejected } = collected;
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
  const besideOf = Map.groupBy(beside, ({ at }) => at);
  const stated = events.filter((event) => event !== undefined);
  const carrierOf = new Map<LogEvent, Delivery>();
  // What is recorded beside an event comes right behind it, also where their times are those of the events after it.
  events.forEach((event, at) => {
    if (!event) return;
    for (const one of [event, ...(besideOf.get(at) ?? []).map((recorded) => recorded.event)])
      carrierOf.set(one, carriers[at] as Delivery);
  });
  const result = await options.log.append([...carrierOf.keys()], poison, (event, reason) =>
    options.retried ? undefined : poisonOf(carrierOf.get(event) as Delivery, reason),
  );
  options.onAppended?.(result.events);
  const refused = new Set(result.refused.flatMap((entry) => origin.get(entry) ?? []));
  const reused = result.conflicts.map((event) => carrierOf.get(event) as Delivery);
  const sentBy = [...rejected].flatMap(([delivery, reasons]) => reasons.map(() => delivery));
  const kept = [...sentBy, ...reused].filter((delivery) => !refused.has(delivery));
  return {
    messages: deliveries.length,
    appended: result.events.length,
    duplicates: result.duplicates,
    ignored: ignored + events.length - stated.length - unreadable,
    rejected: kept.length,
    quarantined: new Set(kept).size,
    unsettled,
    refused: [...refused],
    waiting: [],
  };
};
