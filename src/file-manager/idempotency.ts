import { createHash } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import type { Database, Queries } from '../storage/database.ts';
import { Problem } from './problem.ts';
import { stateLimits } from './state.ts';

/**
 * Each endpoint remembers the answers that it gave under an `Idempotency-Key`. Only confirmed effects are remembered:
 * a refusal may be repeated once its cause is gone. An answer commits together with the rows of its effect.
 */
export type Remembered = { readonly fingerprint: string; readonly body: string; readonly at_ms: number };

export const fingerprintOf = (...parts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex');

/** The key of a request. Throws when it is missing, too long, or not printable ASCII. */
export const checkedKey = (header: unknown): string => {
  if (header === undefined) {
    throw new Problem(
      'key-missing',
      'send an Idempotency-Key header that names this operation, the same on each repeat',
    );
  }
  if (typeof header !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(header)) {
    throw new Problem('bad-request', 'the Idempotency-Key must be 1 to 255 printable ASCII characters');
  }
  return header;
};

export const recall = (db: Queries, endpoint: string, key: string): Promise<Remembered | undefined> =>
  db.get<Remembered>('SELECT fingerprint, body, at_ms FROM answer WHERE endpoint = ? AND key = ?', [endpoint, key]);

/**
 * The remembered answer, once it is known to belong to this very request. The reply's headers say that it is one, and how
 * many seconds ago it was given first.
 */
export const answerAgain = (
  reply: Pick<FastifyReply, 'headers'>,
  { fingerprint: of, body, at_ms }: Remembered,
  fingerprint: string,
): unknown => {
  if (of !== fingerprint) {
    throw new Problem('key-reused', 'this Idempotency-Key was used for a different request: choose a new one');
  }
  const age = Math.max(0, Math.floor((Date.now() - at_ms) / 1000));
  reply.headers({ 'idempotent-replayed': 'true', age: String(age) });
  return JSON.parse(body);
};

/** Remembers an answer, inside the transaction of its effect. The oldest go when there are too many. */
export const remember = async (
  db: Queries,
  entry: { endpoint: string; key: string; fingerprint: string; answer: unknown; atMs: number },
): Promise<void> => {
  await db.run(
    `INSERT INTO answer (endpoint, key, fingerprint, body, at_ms) VALUES (?, ?, ?, ?, json_extract(?, '$'))
     ON CONFLICT (endpoint, key) DO UPDATE SET fingerprint = excluded.fingerprint, body = excluded.body`,
    [entry.endpoint, entry.key, entry.fingerprint, JSON.stringify(entry.answer), String(entry.atMs)],
  );
  await db.run('DELETE FROM answer WHERE id <= (SELECT max(id) FROM answer) - ?', [stateLimits.answersMax]);
};

/** Forgets the answers that are older than `maxAgeMs`. */
export const forgetOld = (db: Database, nowMs: number, maxAgeMs: number): Promise<number> =>
  db.run(`DELETE FROM answer WHERE at_ms < json_extract(?, '$')`, [String(nowMs - maxAgeMs)]);

/** Runs work one after another per key, so that a repeat waits for the first attempt and gets its answer. */
export const createKeyedQueue = () => {
  const tails = new Map<string, Promise<unknown>>();
  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const before = tails.get(key) ?? Promise.resolve();
    const result = before.then(work);
    const tail = result.catch(() => undefined);
    tails.set(key, tail);
    try {
      return await result;
    } finally {
      if (tails.get(key) === tail) tails.delete(key);
    }
  };
};
