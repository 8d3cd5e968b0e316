import { type BucketEvent, foldersAround, isFolder, pathsOf } from '../../events/event.ts';

/**
 * Under which names an event is found in the history. A point event touches its own path (and `to`). A tree event, one
 * that holds for all beneath a folder, is found under the folder's *tree key*, `dir//`: no path has an empty segment, so
 * a tree key is never a path.
 */
export const treeKey = (folder: string): string => `${folder}/`;

/** Whether the event holds for all beneath its path. `create` and a marker's events concern the folder itself only. */
export const isTreeEvent = (event: Pick<BucketEvent, 'path' | 'type' | 'scope'>): boolean =>
  isFolder(event.path) && event.type !== 'create' && event.scope !== 'marker';

/** The history keys that an event is stored under. */
export const keysOf = (event: Pick<BucketEvent, 'path' | 'to' | 'type' | 'scope'>): string[] => {
  const paths = pathsOf(event);
  return isTreeEvent(event) ? paths.map(treeKey) : paths;
};

/** The history keys of every event that can have touched a path. */
export const keysTouching = (path: string): string[] => [path, ...foldersAround(path).map(treeKey)];

/** `path` carried from beneath `from` to beneath `to`; undefined when it is not beneath `from`. Works for a single file too. */
export const carried = (path: string, from: string, to: string): string | undefined => {
  if (path === from) return to;
  return isFolder(from) && path.startsWith(from) ? to + path.slice(from.length) : undefined;
};
