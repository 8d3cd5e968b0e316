import { randomUUID } from 'node:crypto';
import type { BucketEvent } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import { FailingObjectError } from '../bucket/errors.ts';
import { askEach, askOne, insistNotAway } from '../intake/ask-each.ts';
import { type AskOptions, isRemembered, placed } from './ask-again.ts';

type Row = Pick<FileRow, 'path' | 'key' | 'etag' | 'offset'>;

/**
 * Wanted without permissions, and not asked about as they stand, while another file of the same content loses its place: the
 * plan may take them for renamed. From `dirty` outwards (CROSS JOIN keeps the order), so that nothing else is read.
 */
const maybeRenamed = `
  WITH leaving AS MATERIALIZED (
    SELECT m.etag, m.size, m.file_id FROM dirty CROSS JOIN mirror AS m USING (path)
    WHERE m.etag IS NOT NULL AND m.size > 0
      AND NOT EXISTS (SELECT 1 FROM file AS f WHERE f.path = m.path AND f.etag = m.etag AND f.size = m.size))
  SELECT f.path, f.key, f.etag, f."offset" FROM dirty CROSS JOIN file AS f USING (path)
  WHERE f.permissions IS NULL
    AND EXISTS (SELECT 1 FROM leaving AS l WHERE l.etag = f.etag AND l.size = f.size AND l.file_id <> f.file_id)
    AND NOT EXISTS (SELECT 1 FROM asked AS a WHERE a.path = f.path AND a."offset" = f."offset")`;

/** What was asked about and stated nothing, for as long as the process runs: a plan that is held would ask in each cycle. */
const askedBefore = `
  CREATE TEMP TABLE IF NOT EXISTS asked (path TEXT NOT NULL PRIMARY KEY, "offset" INTEGER NOT NULL) WITHOUT ROWID;
  DELETE FROM asked WHERE path NOT IN (SELECT path FROM dirty)`;

/**
 * Asks the bucket for the permissions of objects that may come by a rename, and records what their metadata states. A save
 * reads them along with the content; a rename reads nothing, and would leave those of the file that it takes away for good.
 * Nor is it asked where another one is configured: the gate says so. Resolves with the paths of those that it has no answer
 * about: they are saved, which reads their permissions, and never renamed. Throws RetryableError while it cannot be asked,
 * and ConfigError where it refuses the credentials.
 */
export const askPaired = async (options: AskOptions): Promise<ReadonlySet<string>> => {
  const { workspace, bucket, signal } = options;
  const { log, projector } = workspace;
  const within = signal ? { signal } : {};
  const startedAt = await projector.catchUp();
  await projector.database.exec(askedBefore);
  const rows = await projector.database.all<Row>(maybeRenamed);
  if (rows.length === 0 || !(await isRemembered(options, await bucket.identify(within)))) return new Set();
  const askId = randomUUID().slice(0, 8);
  const events: BucketEvent[] = [];
  const ask = async ({ path, key, etag }: Row): Promise<void> => {
    const facts = await askOne(() => bucket.head(key ?? path, within), bucket, signal);
    if (facts?.permissions === undefined || facts.etag !== etag) return;
    const { observedAt: time, permissions } = facts;
    events.push({ id: `scan:${askId}:${path}`, type: 'change_permission', time, path, permissions, source: 'scan' });
  };
  const unanswered = await askEach(rows, ask, signal);
  insistNotAway(unanswered);
  // An object that may not be read states nothing; credentials that are refused altogether look like one.
  if (unanswered.length > 0) await bucket.check(within);
  const failing = unanswered.filter(({ error }) => error instanceof FailingObjectError).map(({ asked }) => asked.path);
  const open = new Set([...failing, ...events.map(({ path }) => path)]);
  const silent = rows.filter(({ path }) => !open.has(path)).map(({ path, offset }) => [path, offset]);
  await projector.database.run('INSERT OR REPLACE INTO asked SELECT value ->> 0, value ->> 1 FROM json_each(?)', [
    JSON.stringify(silent),
  ]);
  if (events.length > 0) await log.append(await placed(events, projector, startedAt));
  return new Set(failing);
};
