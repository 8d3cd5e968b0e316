import type { ListedObject, ListingPage } from '../bucket/bucket.ts';

/**
 * Objects whose key is the path of a file that stands for another key. While that other object is in the bucket, the path is
 * its own, as its producer said. Once it is not (renamed there without a word), what has the path for its key is the file.
 * Only the end of the listing tells.
 */
export type Namesakes = {
  /** The page without them; they are kept. */
  apart(page: ListingPage): ListingPage;
  /** After the last page: those whose place nothing else in the bucket takes, with the times at which they were listed. */
  left(): ListingPage[];
};

export const createNamesakes = (pathsByKey: ReadonlyMap<string, string>, prefix = ''): Namesakes => {
  const keys = new Map([...pathsByKey].map(([key, path]) => [path, key]));
  const seen = new Set<string>();
  const kept: ListingPage[] = [];
  const isNamesake = ({ key }: ListedObject): boolean => keys.has(key) && !pathsByKey.has(key);
  return {
    apart: (page) => {
      for (const { key } of page.objects) if (pathsByKey.has(key)) seen.add(key);
      const objects = page.objects.filter(isNamesake);
      if (objects.length === 0) return page;
      kept.push({ ...page, objects });
      return { ...page, objects: page.objects.filter((object) => !isNamesake(object)) };
    },
    left: () => {
      // What the prefix leaves out may be there.
      const isAlone = ({ key }: ListedObject): boolean => {
        const other = keys.get(key) as string;
        return other.startsWith(prefix) && !seen.has(other);
      };
      return kept.map((page) => ({ ...page, objects: page.objects.filter(isAlone) }));
    },
  };
};
