import { timeKey } from '../../events/order.ts';
import type { ListedObject } from '../bucket/bucket.ts';
import { askEach, insistNotAway } from '../intake/ask-each.ts';
import type { Queries } from '../storage/database.ts';

/** What a server's `Date` says has whole seconds. */
const secondOf = (time: string): string => timeKey(time).slice(0, 'yyyy-mm-ddThh:mm:ss'.length);

/**
 * Of the listed objects, those that the bucket dates later than the event that the file's row is from: it was written again,
 * and nothing told of it. Where size and ETag are as they were, its permissions may not be. A native producer states what it
 * means, by a clock of its own.
 */
const rewrittenAmong = async (
  database: Pick<Queries, 'all'>,
  found: ReadonlyMap<string, ListedObject>,
): Promise<string[]> => {
  const rows = await database.all<{ path: string; time: string }>(
    `SELECT f.path, e.time FROM json_each(?) AS found
     CROSS JOIN file AS f ON f.path = found.value
     CROSS JOIN log.event AS e ON e."offset" = f."offset"
     WHERE e.source <> 'native'`,
    [JSON.stringify([...found.keys()].filter((path) => !path.endsWith('/')))],
  );
  const isLater = ({ path, time }: { path: string; time: string }): boolean =>
    secondOf((found.get(path) as ListedObject).modifiedAt) > secondOf(time);
  return rows.filter(isLater).map(({ path }) => path);
};

/** The permissions of those of the listed objects of which no event told that they were written last, as far as they can be read. */
export const permissionsOfRewritten = async (
  database: Pick<Queries, 'all'>,
  found: ReadonlyMap<string, ListedObject>,
  read: (object: ListedObject) => Promise<string | undefined>,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string>> => {
  const permissions = new Map<string, string>();
  if (found.size === 0) return permissions;
  const ask = async (path: string): Promise<void> => {
    const said = await read(found.get(path) as ListedObject);
    if (said !== undefined) permissions.set(path, said);
  };
  insistNotAway(await askEach(await rewrittenAmong(database, found), ask, signal));
  return permissions;
};
