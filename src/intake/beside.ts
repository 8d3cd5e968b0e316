import { type BucketEvent, isFolder } from '../../events/event.ts';
import type { Bucket, ListedObject } from '../bucket/bucket.ts';
import { RetryableError } from '../errors.ts';
import { type Asked, answer, standing } from './ask.ts';
import { isOfParts, type KnownFile, knownFiles, type Views } from './known-files.ts';
import type { NextTouch, Renamed } from './renamed.ts';

/** What is recorded beside the renames and moves of a batch, each event with the place of its rename. */
export type Beside = {
  readonly records: readonly { readonly at: number; readonly event: BucketEvent }[];
  /** Renames that got no answer. */
  readonly unanswered: readonly { readonly renamed: Renamed; readonly error: Error }[];
  /** Renames of folders that hold more than is asked about: of what lies beyond, nothing is recorded. */
  readonly tooLarge: number;
};

/** Objects beneath the folders of a batch that are asked about. */
const objectsMax = 10_000;

/** An event beside the rename: of its time and token, and behind it in the order of both, since its id is longer. */
const besideOf = ({ event: { id, time, version, source } }: Renamed, path: string): BucketEvent => ({
  id: `${id}+now:${path}`,
  type: 'create',
  time,
  path,
  ...(version !== undefined && { version }),
  source,
});

const goneOf = (renamed: Renamed, path: string): BucketEvent => ({
  ...besideOf(renamed, path),
  type: 'delete',
  ...(isFolder(path) && { scope: 'marker' as const }),
  source: `${renamed.event.source}+head`,
});

const isSame = (known: KnownFile | undefined, { size, etag }: Partial<ListedObject>): boolean =>
  known !== undefined && known.size === size && known.etag === etag;

/**
 * Asks what stands now where files were renamed or moved to, and where from if that is in doubt too. What differs from what
 * the rename carries is recorded as creates and deletes, in the order of the rename, so that newer events come after them.
 * The answers are of now: of several events of the batch that touch a path only the last can be put right by them. Of a file
 * that is written next it is recorded that it was there, and what it held does not matter: so it keeps the permissions that
 * it gets before that.
 */
export const askBeside = async (
  renames: readonly Renamed[],
  nextTouch: NextTouch,
  views: Views,
  bucket: Bucket,
  options: { readonly acl: boolean; readonly signal?: AbortSignal },
): Promise<Beside> => {
  const records: { at: number; event: BucketEvent }[] = [];
  const unanswered: { renamed: Renamed; error: Error }[] = [];
  const events: (BucketEvent | undefined)[] = [];
  const asked: Asked[] = [];
  const origins: Renamed[] = [];
  /** What a listing says of an object, should a question about it be refused. */
  const listed = new Map<number, ListedObject>();
  let tooLarge = 0;
  let seen = 0;
  let away: RetryableError | undefined;
  const within = options.signal ? { signal: options.signal } : {};

  const ask = (renamed: Renamed, path: string, key = path): number => {
    const event: BucketEvent = { ...besideOf(renamed, path), ...(key !== path && { key }) };
    origins.push(renamed);
    const at = events.push(event) - 1;
    asked.push({ question: 'head', key, event, at });
    return at;
  };
  const isLast = (path: string, at: number): boolean => nextTouch(path, at) === undefined;
  /** Of a file of which nothing is known, and that is written next. */
  const recordWritten = (renamed: Renamed, path: string): void => {
    if (nextTouch(path, renamed.at)?.type === 'create')
      records.push({ at: renamed.at, event: besideOf(renamed, path) });
  };
  const askListed = (renamed: Renamed, object: ListedObject): void => {
    listed.set(ask(renamed, object.key), object);
  };

  /** The objects beneath a folder, a page at a time, with what is known where they come from, or would have come from. */
  async function* beneath(renamed: Renamed, folder: string) {
    const { path, to } = renamed.event;
    for await (const { objects } of bucket.list({ prefix: folder, ...within })) {
      seen += objects.length;
      if (seen > objectsMax) {
        tooLarge += 1;
        return;
      }
      const pairs = objects.map((object) => {
        const rest = object.key.slice(folder.length);
        return { object, source: path + rest, target: to + rest };
      });
      const known = await knownFiles(
        views,
        pairs.map(({ source }) => source),
      );
      for (const { object, source, target } of pairs)
        yield { object, target, source: renamed.beneath.get(source) ?? known.get(source) };
    }
  }

  const askFolder = async (renamed: Renamed): Promise<void> => {
    const { path, to } = renamed.event;
    const arrived = new Set<string>();
    const tooLargeBefore = tooLarge;
    for await (const { object, source, target } of beneath(renamed, to)) {
      arrived.add(target);
      // In parts and carried over already: a copy, as far as anybody can tell without reading it.
      const isCopy = !renamed.both && source?.saved === true && isOfParts(source.etag) && source.size === object.size;
      if (!isCopy && !isSame(source, object) && isLast(target, renamed.at)) askListed(renamed, object);
      if (!source) recordWritten(renamed, target);
    }
    // Of a listing that was cut off nobody can tell what did not arrive.
    if (!renamed.both || tooLarge > tooLargeBefore) return;
    for await (const { object, source, target } of beneath(renamed, path)) {
      if (isLast(object.key, renamed.at)) askListed(renamed, object);
      if (source && !arrived.has(target) && isLast(target, renamed.at))
        records.push({ at: renamed.at, event: goneOf(renamed, target) });
    }
  };

  const files = new Map<Renamed, { readonly to?: number; readonly path?: number }>();
  for (const renamed of renames) {
    const { path, to, key } = renamed.event;
    if (isFolder(path)) {
      try {
        if (away === undefined) await askFolder(renamed);
      } catch (error) {
        if (!(error instanceof RetryableError)) throw error;
        away = error;
      }
      // The other folders of the batch would wait in vain, each as long as this one.
      if (away) unanswered.push({ renamed, error: away });
    } else {
      if (renamed.unknown) recordWritten(renamed, to);
      files.set(renamed, {
        ...(isLast(to, renamed.at) && { to: ask(renamed, to, key) }),
        ...(renamed.both && { path: ask(renamed, path) }),
      });
    }
  }
  const silent = await answer(events, asked, bucket, { acl: options.acl, ...within });
  for (const { asked: question, error } of silent) {
    const object = error instanceof RetryableError ? undefined : listed.get(question.at);
    events[question.at] = object && standing(question.event, object);
    if (!object) unanswered.push({ renamed: origins[question.at] as Renamed, error });
  }
  const silentAt = new Set(silent.map(({ asked: question }) => question.at));
  for (const [renamed, places] of files) {
    const { at, source, event } = renamed;
    const left = places.path === undefined ? undefined : events[places.path];
    if (places.to !== undefined) {
      const there = events[places.to];
      // Both gone: it was carried on, and the event about that is to come.
      if (!there && left && !silentAt.has(places.to)) records.push({ at, event: goneOf(renamed, event.to) });
      if (there && isSame(source, there)) events[places.to] = undefined;
    }
    if (places.path !== undefined && !isLast(event.path, at)) events[places.path] = undefined;
  }
  for (const [at, event] of events.entries()) if (event) records.push({ at: (origins[at] as Renamed).at, event });
  return { records, unanswered, tooLarge };
};
