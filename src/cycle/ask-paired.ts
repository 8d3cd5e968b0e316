import { randomUUID } from 'node:crypto';
import type { BucketEvent } from '../../events/event.ts';
import type { FileRow } from '../../projections/rows.ts';
import { RetryableError } from '../errors.ts';
import { askEach } from '../intake/ask-each.ts';
import { type AskOptions, isSameBucket, placed } from './ask-again.ts';

type Row = Pick<FileRow, 'path' | 'key' | 'etag'>;

/** Wanted without permissions, while another file of the same content loses its place: the plan may take it for renamed. */
const maybeRenamed = `
  WITH leaving AS MATERIALIZED (
    SELECT m.etag, m.size, m.file_id FROM dirty JOIN mirror AS m USING (path) WHERE m.etag IS NOT NULL AND m.size > 0)
  SELECT DISTINCT f.path, f.key, f.etag FROM dirty JOIN file AS f USING (path)
  JOIN leaving AS l ON l.etag = f.etag AND l.size = f.size AND l.file_id <> f.file_id
  WHERE f.permissions IS NULL`;

/**
 * Asks the bucket for the permissions of objects that may come by a rename, and records what their metadata states. A save
 * reads them along with the content; a rename reads nothing, and would leave those of the file that it takes away for good.
 * Throws RetryableError while the bucket cannot be asked.
 */
export const askPaired = async (options: AskOptions): Promise<void> => {
  const { workspace, bucket, signal } = options;
  const { log, projector } = workspace;
  const startedAt = await projector.catchUp();
  const rows = await projector.database.all<Row>(maybeRenamed);
  if (rows.length === 0 || !(await isSameBucket(options))) return;
  const askId = randomUUID().slice(0, 8);
  const events: BucketEvent[] = [];
  const ask = async ({ path, key, etag }: Row): Promise<void> => {
    const facts = await bucket.head(key ?? path, signal ? { signal } : {});
    if (facts?.permissions === undefined || facts.etag !== etag) return;
    const { observedAt: time, permissions } = facts;
    events.push({ id: `scan:${askId}:${path}`, type: 'change_permission', time, path, permissions, source: 'scan' });
  };
  const unanswered = await askEach(rows, ask, signal);
  // An object that may not be read states nothing.
  const away = unanswered.find(({ error }) => error instanceof RetryableError);
  if (away) throw away.error;
  if (events.length > 0) await log.append(await placed(events, projector, startedAt));
};
