import { createHash } from 'node:crypto';
import type { Format } from '../../events/decode.ts';
import { FatalError } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import type { Queries } from '../storage/database.ts';

/** A message that could not be understood, with its raw bytes and the reason. */
export type Poison = {
  readonly source: string;
  readonly deliveryId: string;
  readonly reason: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** What a person said that the message is, and a retry takes it for; otherwise it is looked at. */
  readonly format?: Format;
};

/** A message in quarantine. The same bytes delivered again are counted, not stored again. */
export type Quarantined = {
  readonly id: number;
  readonly source: string;
  readonly delivery_id: string;
  readonly reason: string;
  readonly received_at: string;
  readonly last_received_at: string;
  readonly times: number;
  /** JSON object of broker attributes. */
  readonly attributes: string;
  readonly body: Buffer;
  /** As of the newest delivery. */
  readonly format: Format | null;
};

/** An entry without what may be large. */
type Listed = Omit<Quarantined, 'attributes' | 'body' | 'format'>;

/** Quarantine is bounded. Past the bound a message is refused, and so stays with its broker: nothing is lost. */
export type QuarantineLimits = { readonly entriesMax: number; readonly bytesMax: number };
export const quarantineLimits: QuarantineLimits = { entriesMax: 10_000, bytesMax: 256 * 1024 * 1024 };

/** All that an entry keeps counts: attributes may be as long as a body. Lengths of whole columns are read without them. */
const totals = `SELECT count(*) AS entries,
  coalesce(sum(octet_length(body) + octet_length(attributes) + octet_length(reason)), 0) AS bytes FROM quarantine`;

const reasonsShown = 20;

/** Several reasons as one text of bounded length. */
export const joinedReasons = (reasons: readonly string[]): string => {
  const different = [...new Set(reasons)];
  const more = different.length - reasonsShown;
  return `${different.slice(0, reasonsShown).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
};

export const digestOf = (poison: Pick<Poison, 'body' | 'attributes'>): string =>
  createHash('sha256')
    .update(JSON.stringify(Object.entries(poison.attributes).sort()))
    .update(poison.body)
    .digest('hex');

/** The same message however often it is named, so that its cost does not grow with the number of its bad records. */
const byMessage = (poison: readonly Poison[]): ReadonlyMap<string, readonly Poison[]> => {
  const known = new Map<Buffer, { readonly attributes: Poison['attributes']; readonly digest: string }>();
  const groups = new Map<string, Poison[]>();
  for (const entry of poison) {
    const before = known.get(entry.body);
    const digest = before?.attributes === entry.attributes ? before.digest : digestOf(entry);
    known.set(entry.body, { attributes: entry.attributes, digest });
    const group = groups.get(digest);
    if (group) group.push(entry);
    else groups.set(digest, [entry]);
  }
  return groups;
};

/**
 * Stores messages within the caller's transaction. `stored` counts new entries, `refused` holds all that name a message
 * without room. One that is there already is counted, and its reason and format are the newest; a message that this call brings for
 * several reasons names the first of them.
 */
export const storePoison = async (
  queries: Queries,
  poison: readonly Poison[],
  limits: QuarantineLimits,
): Promise<{ stored: number; refused: Poison[] }> => {
  const refused: Poison[] = [];
  let stored = 0;
  if (poison.length === 0) return { stored, refused };
  let { entries, bytes } = (await queries.get<{ entries: number; bytes: number }>(totals)) ?? { entries: 0, bytes: 0 };
  const now = new Date().toISOString();
  for (const [digest, group] of byMessage(poison)) {
    const [{ source, deliveryId, body, format, ...message }] = group as [Poison];
    const reason = joinedReasons(group.map((entry) => entry.reason));
    const again = await queries.run(
      'UPDATE quarantine SET times = times + ?, last_received_at = ?, reason = ?, format = ? WHERE digest = ?',
      [group.length, now, reason, format ?? null, digest],
    );
    if (again > 0) continue;
    const attributes = JSON.stringify(message.attributes);
    const size = body.length + Buffer.byteLength(attributes) + Buffer.byteLength(reason);
    if (entries + 1 > limits.entriesMax || bytes + size > limits.bytesMax) {
      refused.push(...group);
      continue;
    }
    failpoint('quarantine.before');
    await queries.run(
      `INSERT INTO quarantine (digest, source, delivery_id, reason, received_at, last_received_at, times, attributes, body, format)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [digest, source, deliveryId, reason, now, now, group.length, attributes, body, format ?? null],
    );
    failpoint('quarantine.written');
    entries += 1;
    bytes += size;
    stored += 1;
  }
  return { stored, refused };
};

/** How much quarantine holds, and whether another message of an ordinary size would find no room. */
export type Room = { readonly entries: number; readonly bytes: number; readonly full: boolean };

/** A little less than the bounds: what is nearly full refuses most messages already. */
const fullBytesLeft = 1024 * 1024;

export const quarantineRoom = async (queries: Queries, limits: QuarantineLimits = quarantineLimits): Promise<Room> => {
  const { entries, bytes } = (await queries.get<{ entries: number; bytes: number }>(totals)) ?? {
    entries: 0,
    bytes: 0,
  };
  return { entries, bytes, full: entries >= limits.entriesMax || bytes > limits.bytesMax - fullBytesLeft };
};

const notThere = (id: number): FatalError =>
  new FatalError(`there is no quarantined message ${id}: 's3-sync quarantine list' shows what there is`);

/** One page of the quarantine, oldest first, after the given id; without the messages themselves. */
export const listQuarantined = (queries: Queries, after = 0, limit = 100): Promise<Listed[]> =>
  queries.all<Listed>(
    `SELECT id, source, delivery_id, reason, received_at, last_received_at, times FROM quarantine
     WHERE id > ? ORDER BY id LIMIT ?`,
    [after, limit],
  );

/** Throws FatalError when there is no such entry. */
export const readQuarantined = async (queries: Queries, id: number): Promise<Quarantined> => {
  const entry = await queries.get<Quarantined>('SELECT * FROM quarantine WHERE id = ?', [id]);
  if (!entry) throw notThere(id);
  // A log that no writer of this version has opened yet has no such column.
  return { ...entry, format: entry.format ?? null };
};

/** Throws FatalError when one of the ids names no entry. */
export const insistQuarantined = async (queries: Queries, ids: readonly number[]): Promise<void> => {
  const [missing] = await queries.all<{ id: number }>(
    'SELECT value AS id FROM json_each(?) WHERE value NOT IN (SELECT id FROM quarantine) LIMIT 1',
    [JSON.stringify(ids)],
  );
  if (missing) throw notThere(missing.id);
};

/** Removes entries for good; the decision is a person's. Throws FatalError, and removes none, when one is not there. */
export const dropQuarantined = async (queries: Queries, ids: readonly number[]): Promise<void> => {
  await insistQuarantined(queries, ids);
  await queries.run('DELETE FROM quarantine WHERE id IN (SELECT value FROM json_each(?))', [JSON.stringify(ids)]);
};
