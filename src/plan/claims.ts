import { foldersAround, isFolder } from '../../events/event.ts';
import { diskName } from './paths.ts';

/** What a step leaves free and what it needs free. A `whole` folder stands for all beneath it, otherwise for its own row. */
export type Claim = {
  readonly vacates?: string;
  readonly takes?: string;
  readonly whole?: true;
};

/**
 * What a claim waits for. `vacated`: the other has left its path. `arrived`: the other is where it goes. `own` edges belong
 * to leaving the own path, the others to taking the new one: a step aside is free of those.
 */
export type Edge = { readonly on: number; readonly until: 'vacated' | 'arrived'; readonly own: boolean };

type Lists = Map<string, number[]>;

const add = (lists: Lists, key: string, index: number): void => {
  const list = lists.get(key);
  if (list) list.push(index);
  else lists.set(key, [index]);
};

const bare = (path: string): string => (isFolder(path) ? path.slice(0, -1) : path);

/** Every claim by the place where others may meet it; places are disk names. */
const placesOf = (claims: readonly Claim[]) => {
  const asked = new Set<string>();
  for (const { vacates, takes, whole } of claims) {
    if (takes !== undefined && (whole || !isFolder(takes))) asked.add(`${bare(diskName(takes))}/`);
    if (vacates !== undefined && whole) asked.add(diskName(vacates));
  }
  const single: Lists = new Map();
  const leaving: Lists = new Map();
  const arriving: Lists = new Map();
  const beneath: Lists = new Map();
  claims.forEach(({ vacates, takes, whole }, index) => {
    if (whole && takes !== undefined) add(arriving, diskName(takes), index);
    if (vacates === undefined) return;
    const place = diskName(vacates);
    add(whole ? leaving : single, place, index);
    for (const folder of foldersAround(place)) if (asked.has(folder)) add(beneath, folder, index);
  });
  return { single, leaving, arriving, beneath };
};

/**
 * For each claim, what it waits for. In the way of a path are: what is at it, a file where it needs a folder, what lies
 * beneath where it needs a file or a whole folder, and a whole folder that is still to leave or to arrive around it.
 * A claim may be in its own way (`a` to `A` where case does not count, `a` to `a/b`).
 */
export const edgesOf = (claims: readonly Claim[]): Edge[][] => {
  const { single, leaving, arriving, beneath } = placesOf(claims);
  return claims.map(({ vacates, takes, whole }, index) => {
    const edges: Edge[] = [];
    const wait = (on: readonly number[] | undefined, until: Edge['until'], own: boolean): void => {
      for (const other of on ?? []) edges.push({ on: other, until, own });
    };
    if (vacates !== undefined && whole) {
      // What goes elsewhere leaves first. Only what lies there by its exact name: another spelling is another folder.
      const inside = beneath.get(diskName(vacates))?.filter((other) => claims[other]?.vacates?.startsWith(vacates));
      wait(
        inside?.filter((other) => other !== index),
        'vacated',
        true,
      );
    }
    if (takes === undefined) return edges;
    const place = diskName(takes);
    wait(single.get(place), 'vacated', false);
    for (const folder of foldersAround(place)) {
      wait(single.get(bare(folder)), 'vacated', false);
      wait(leaving.get(folder), 'vacated', false);
      wait(
        arriving.get(folder)?.filter((other) => other !== index),
        'arrived',
        false,
      );
    }
    if (whole || !isFolder(takes)) wait(beneath.get(`${bare(place)}/`), 'vacated', false);
    return edges;
  });
};
