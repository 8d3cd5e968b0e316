import { type BucketEvent, isFolder, pathsOf, type Recorded } from '../../events/event.ts';
import { compareEvents } from '../../events/order.ts';
import { isTreeEvent } from '../../projections/file/paths.ts';
import { clocksApartMs } from '../bucket/clocks.ts';
import type { Listed } from '../cycle/memory.ts';
import { isOfParts, type KnownFile, knownFiles, knownFolder, type Views } from './known-files.ts';

/** A rename or move that does not say enough by itself, and its place in the batch. */
export type Renamed = {
  readonly event: BucketEvent & { readonly to: string };
  readonly at: number;
  /** The file that the log knows at its source; undefined for none, and for a folder. */
  readonly source: KnownFile | undefined;
  /** Nothing is known at its source. */
  readonly unknown: boolean;
  /** A listing may have seen its effect already: what stands at its source now is asked for, too. */
  readonly both: boolean;
  /** Files beneath a folder that only this batch tells of. */
  readonly beneath: ReadonlyMap<string, KnownFile>;
};

/** Whether the event may tell of something that one of the listings has seen, or has not, already. */
const isNear = ({ time }: BucketEvent, listings: readonly Listed[]): boolean => {
  const at = Date.parse(time);
  return listings.some(
    ({ from, to }) => at >= Date.parse(from) && (to === undefined || at <= Date.parse(to) + clocksApartMs),
  );
};

const isRename = (event: BucketEvent | undefined): event is Renamed['event'] => event?.to !== undefined;

/**
 * The renames and moves of a batch about which the bucket must be asked:
 *
 * - Nothing is known at the source, so there would be nothing to carry: the listing came past before the file came there,
 *   or the event that created it is lost, or late.
 * - What is known there may be newer than the rename, which would carry it on by mistake: it comes from a listing that may
 *   have seen the rename's effect already (by times alone nobody can tell: clocks differ, and a server's `Date` has whole
 *   seconds), or from such a question. Near a listing every rename counts: the row of a file that was listed names the
 *   event that changed it last.
 * - The object was uploaded in parts and is not carried over yet: a copy of it has another etag.
 *
 * What the batch itself changes is taken into account in the events' own order. A question too many does no harm.
 */
export const findRenamed = async (
  events: readonly (BucketEvent | undefined)[],
  views: Views,
  listings: readonly Listed[],
): Promise<Renamed[]> => {
  const renames = events.filter(isRename);
  const known = await knownFiles(
    views,
    renames.flatMap(({ path, to }) => (isFolder(path) ? [] : [path, to])),
  );
  const beneath = (folder: string): Map<string, KnownFile> =>
    new Map([...known].filter(([path]) => path.startsWith(folder)));
  const found: Renamed[] = [];

  const renameFile = (event: Renamed['event'], at: number): void => {
    const source = known.get(event.path);
    known.delete(event.path);
    // A file with a key of its own stays where it is in the bucket.
    const isVirtual = event.key === undefined && source !== undefined && source.key !== null;
    const both = !isVirtual && source !== undefined && !source.fresh && isNear(event, listings);
    const isCopied = source !== undefined && isOfParts(source.etag) && !source.saved && event.etag === undefined;
    if (!isVirtual && (!source || both || source.asked || isCopied))
      found.push({ event, at, source, unknown: !source, both, beneath: new Map() });
    const { etag = source?.etag ?? null, to } = event;
    known.set(to, source ? { ...source, etag, asked: source.asked || both } : unknownFile);
  };

  const renameFolder = async (event: Renamed['event'], at: number): Promise<void> => {
    const fresh = beneath(event.path);
    const there = await knownFolder(views, event.path);
    const unknown = !there.isThere && fresh.size === 0;
    const files = [...fresh.values()];
    const isAsked = there.asked || files.some(({ asked }) => asked);
    const both = (there.isThere || files.some(({ fresh }) => !fresh)) && isNear(event, listings);
    const isCopied = there.unsavedParts || files.some(({ etag, saved }) => isOfParts(etag) && !saved);
    if (unknown || both || isAsked || isCopied)
      found.push({ event, at, source: undefined, unknown, both, beneath: fresh });
    for (const path of fresh.keys()) known.delete(path);
    for (const [path, file] of fresh)
      known.set(event.to + path.slice(event.path.length), { ...file, asked: file.asked || both });
  };

  const told = placed(events).filter((event) => event !== undefined);
  for (const { offset: at } of told.sort(compareEvents)) {
    const event = events[at] as BucketEvent;
    if (isRename(event)) await (isTreeEvent(event) ? renameFolder(event, at) : renameFile(event, at));
    else if (event.type === 'create') known.set(event.path, knownOf(event, listings.at(-1)));
    else if (event.type === 'delete')
      for (const path of isTreeEvent(event) ? beneath(event.path).keys() : [event.path]) known.delete(path);
  }
  return found;
};

const knownOf = ({ path, key, size, etag, source, time }: BucketEvent, newest: Listed | undefined): KnownFile => ({
  key: key === undefined || key === path ? null : key,
  size: size ?? null,
  etag: etag ?? null,
  saved: false,
  fresh: newest?.to !== undefined && Date.parse(time) > Date.parse(newest.to),
  asked: source.endsWith('+head'),
});

/** What stands where a rename of an unknown file leads: only the bucket knows. */
const unknownFile: KnownFile = { key: null, size: null, etag: null, saved: false, fresh: false, asked: true };

/** The event of the batch that touches a path next, by the events' own order, after the one at that place: its offset is its place. */
export type NextTouch = (path: string, at: number) => Recorded<BucketEvent> | undefined;

/** The events of a batch, each with its place for an offset. */
const placed = (events: readonly (BucketEvent | undefined)[]): (Recorded<BucketEvent> | undefined)[] =>
  events.map((event, offset) => event && { ...event, offset });

/** Events in their own order, and the place of each. */
type InOrder = { readonly events: readonly Recorded<BucketEvent>[]; readonly places: ReadonlyMap<number, number> };

const inOrder = (events: Recorded<BucketEvent>[]): InOrder => ({
  events: events.sort(compareEvents),
  places: new Map(events.map(({ offset }, place) => [offset, place])),
});

/**
 * A folder that later comes to a folder around the path does not count: what that brings comes after what is recorded, and
 * all else stays as it is.
 */
export const nextTouches = (events: readonly (BucketEvent | undefined)[]): NextTouch => {
  const all = placed(events);
  const touching = new Map<string, Recorded<BucketEvent>[]>();
  const trees: Recorded<BucketEvent>[] = [];
  for (const event of all) {
    if (!event || event.type === 'change_permission') continue;
    if (isTreeEvent(event)) trees.push(event);
    for (const path of pathsOf(event)) {
      const others = touching.get(path);
      if (others) others.push(event);
      else touching.set(path, [event]);
    }
  }
  trees.sort(compareEvents);
  // Once a path, however many of the batch's events ask about it.
  const sorted = new Map<string, InOrder>();
  const touches = (path: string): InOrder => {
    const known = sorted.get(path) ?? inOrder(touching.get(path) ?? []);
    sorted.set(path, known);
    return known;
  };
  return (path, at) => {
    const event = all[at] as Recorded<BucketEvent>;
    const isLater = (other: Recorded<BucketEvent>): boolean => compareEvents(other, event) > 0;
    const { events: own, places } = touches(path);
    let place = places.get(at) ?? 0;
    while (place < own.length && !isLater(own[place] as Recorded<BucketEvent>)) place += 1;
    const next = own[place];
    const around = trees.find((tree) => path.startsWith(tree.path) && isLater(tree));
    return next && around ? [next, around].sort(compareEvents)[0] : (next ?? around);
  };
};
