import { type BucketEvent, isFolder } from '../../events/event.ts';
import { isTreeEvent } from '../../projections/file/paths.ts';
import { isOfParts, type KnownFile, knownFiles, knownFolder, type Views } from './known-files.ts';

/** A rename or move that does not say enough by itself, and its place in the batch. */
export type Renamed = {
  readonly event: BucketEvent & { readonly to: string };
  readonly at: number;
  /** The file that the log knows at its source; undefined for none, and for a folder. */
  readonly source: KnownFile | undefined;
  /** Nothing is known at its source. */
  readonly unknown: boolean;
  /** What is known at its source may be newer than the rename: what stands there now is asked for, too. */
  readonly both: boolean;
  /** Files beneath a folder that only this batch tells of. */
  readonly beneath: ReadonlyMap<string, KnownFile>;
};

const isRename = (event: BucketEvent | undefined): event is Renamed['event'] => event?.to !== undefined;

/**
 * The renames and moves of a batch about which the bucket must be asked:
 *
 * - Nothing is known at the source, so there would be nothing to carry: the listing came past before the file came there,
 *   or the event that created it is lost, or late.
 * - What is known there is the answer to such a question: it may be newer than the rename, which would carry it on by
 *   mistake.
 * - The object was uploaded in parts and is not carried over yet: a copy of it has another etag.
 *
 * What the batch itself changes is taken into account in its own order. A question too many does no harm.
 */
export const findRenamed = async (events: readonly (BucketEvent | undefined)[], views: Views): Promise<Renamed[]> => {
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
    const both = !isVirtual && source?.asked === true;
    const isCopied = source !== undefined && isOfParts(source.etag) && !source.saved && event.etag === undefined;
    if (!isVirtual && (!source || both || isCopied))
      found.push({ event, at, source, unknown: !source, both, beneath: new Map() });
    if (source) known.set(event.to, { ...source, etag: event.etag ?? source.etag, asked: source.asked || both });
    else known.delete(event.to);
  };

  const renameFolder = async (event: Renamed['event'], at: number): Promise<void> => {
    const fresh = beneath(event.path);
    const there = await knownFolder(views, event.path);
    const unknown = !there.isThere && fresh.size === 0;
    const both = there.asked || [...fresh.values()].some(({ asked }) => asked);
    const isCopied = there.unsavedParts || [...fresh.values()].some(({ etag, saved }) => isOfParts(etag) && !saved);
    if (unknown || both || isCopied) found.push({ event, at, source: undefined, unknown, both, beneath: fresh });
    for (const path of fresh.keys()) known.delete(path);
    for (const [path, file] of fresh)
      known.set(event.to + path.slice(event.path.length), { ...file, asked: file.asked || both });
  };

  for (const [at, event] of events.entries()) {
    if (!event) continue;
    if (isRename(event)) await (isTreeEvent(event) ? renameFolder(event, at) : renameFile(event, at));
    else if (event.type === 'create') known.set(event.path, knownOf(event));
    else if (event.type === 'delete')
      for (const path of isTreeEvent(event) ? beneath(event.path).keys() : [event.path]) known.delete(path);
  }
  return found;
};

const knownOf = ({ path, key, size, etag, source }: BucketEvent): KnownFile => ({
  key: key === undefined || key === path ? null : key,
  size: size ?? null,
  etag: etag ?? null,
  saved: false,
  asked: source.endsWith('+head'),
});
