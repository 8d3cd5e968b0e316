import { createHash } from 'node:crypto';
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
};

/** Quarantine is bounded. Past the bound a message is refused, and so stays with its broker: nothing is lost. */
export type QuarantineLimits = { readonly entriesMax: number; readonly bytesMax: number };
export const quarantineLimits: QuarantineLimits = { entriesMax: 10_000, bytesMax: 256 * 1024 * 1024 };

const totals = 'SELECT count(*) AS entries, coalesce(sum(length(body)), 0) AS bytes FROM quarantine';

export const digestOf = (poison: Pick<Poison, 'body' | 'attributes'>): string =>
  createHash('sha256')
    .update(JSON.stringify(Object.entries(poison.attributes).sort()))
    .update(poison.body)
    .digest('hex');

/**
 * Stores messages within the caller's transaction. `stored` counts new entries, `refused` those without room. One that is
 * there already is counted, and its reason is the newest; a message that this call brings for several reasons has them all.
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
  const reasons = new Map<string, string>();
  for (const message of poison) {
    const digest = digestOf(message);
    const named = reasons.get(digest);
    const reason =
      named === undefined || named.includes(message.reason) ? message.reason : `${named}; ${message.reason}`;
    reasons.set(digest, reason);
    const again = await queries.run(
      'UPDATE quarantine SET times = times + 1, last_received_at = ?, reason = ? WHERE digest = ?',
      [now, reason, digest],
    );
    if (again > 0) continue;
    if (entries + 1 > limits.entriesMax || bytes + message.body.length > limits.bytesMax) {
      refused.push(message);
      continue;
    }
    await queries.run(
      `INSERT INTO quarantine (digest, source, delivery_id, reason, received_at, last_received_at, times, attributes, body)
       VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)`,
      [
        digest,
        message.source,
        message.deliveryId,
        message.reason,
        now,
        now,
        JSON.stringify(message.attributes),
        message.body,
      ],
    );
    failpoint('quarantine.written');
    entries += 1;
    bytes += message.body.length;
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

/** How many messages quarantine holds. */
export const countQuarantined = async (queries: Queries): Promise<number> => (await quarantineRoom(queries)).entries;

const notThere = (id: number): FatalError =>
  new FatalError(`there is no quarantined message ${id}: 's3-sync quarantine list' shows what there is`);

/** One page of the quarantine, oldest first, after the given id; without the messages themselves. */
export const listQuarantined = (queries: Queries, after = 0, limit = 100): Promise<Omit<Quarantined, 'body'>[]> =>
  queries.all<Omit<Quarantined, 'body'>>(
    `SELECT id, source, delivery_id, reason, received_at, last_received_at, times, attributes FROM quarantine
     WHERE id > ? ORDER BY id LIMIT ?`,
    [after, limit],
  );

/** Throws FatalError when there is no such entry. */
export const readQuarantined = async (queries: Queries, id: number): Promise<Quarantined> => {
  const entry = await queries.get<Quarantined>('SELECT * FROM quarantine WHERE id = ?', [id]);
  if (!entry) throw notThere(id);
  return entry;
};

/** Removes entries for good; the decision is a person's. Throws FatalError, and removes none, when one is not there. */
export const dropQuarantined = async (queries: Queries, ids: readonly number[]): Promise<void> => {
  const list = JSON.stringify(ids);
  const [missing] = await queries.all<{ id: number }>(
    'SELECT value AS id FROM json_each(?) WHERE value NOT IN (SELECT id FROM quarantine) LIMIT 1',
    [list],
  );
  if (missing) throw notThere(missing.id);
  await queries.run('DELETE FROM quarantine WHERE id IN (SELECT value FROM json_each(?))', [list]);
};
