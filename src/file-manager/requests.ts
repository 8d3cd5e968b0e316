import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { isObject } from '../../events/limits.ts';
import { checkedKey, fingerprintOf } from './idempotency.ts';
import { checkedPath } from './paths.ts';
import { Problem } from './problem.ts';
import type { Effect } from './store.ts';
import type { UndoRequest } from './trash.ts';

/** Reads and checks what requests carry; each throws a Problem that names the field. */

/** In characters, entries, and entries a page. */
const limits = { permissionsLength: 1024, undoEntries: 100_000, pageMax: 1_000 } as const;

export type Fields = Readonly<Record<string, unknown>>;

export const fieldsOf = (body: unknown): Fields => {
  if (!isObject(body)) throw new Problem('bad-request', 'the body must be one JSON object');
  return body;
};

/** The parameters of an address. What is no UTF-8 would be taken as it is written, and that is another path's name. */
export const queryOf = (request: FastifyRequest): Fields => {
  const written = request.url.slice(request.url.indexOf('?') + 1);
  decoded(written.replaceAll('+', ' '), 'the parameters of the address');
  return request.query as Fields;
};

const decoded = (text: string, what: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw notEncoded(what);
  }
};

const notEncoded = (what: string): Problem => new Problem('bad-request', `${what} must be percent-encoded UTF-8`);

export const pathOf = (fields: Fields, name = 'path'): string => checkedPath(fields[name]);

export const permissionsOf = (fields: Fields): string => {
  const value = fields['permissions'];
  if (typeof value !== 'string' || value === '' || value.length > limits.permissionsLength || !value.isWellFormed()) {
    throw new Problem('bad-request', `"permissions" must be a string of 1 to ${limits.permissionsLength} characters`);
  }
  return value;
};

/** Permissions that come with a save. Two such headers arrive as one with a space in it, and are refused. */
export const permissionsIn = ({ 'x-permissions': header }: IncomingHttpHeaders): string | undefined => {
  if (header === undefined) return undefined;
  const text = String(header);
  if (/[^\x21-\x7e]/.test(text)) throw notEncoded('X-Permissions');
  return permissionsOf({ permissions: decoded(text, 'X-Permissions') });
};

export const recursiveOf = (fields: Fields): boolean => {
  const value = fields['recursive'] ?? true;
  if (typeof value !== 'boolean') throw new Problem('bad-request', '"recursive" must be true or false');
  return value;
};

export const undoOf = (fields: Fields): UndoRequest => {
  const keys = textsOf(fields, 'keys');
  const paths = textsOf(fields, 'paths').map(checkedPath);
  if (keys.length + paths.length === 0) {
    throw new Problem('bad-request', 'name what to bring back: "keys" of the deletions, or "paths"');
  }
  return { keys, paths };
};

const textsOf = (fields: Fields, name: string): string[] => {
  const value = fields[name] ?? [];
  if (!Array.isArray(value) || value.length > limits.undoEntries || !value.every((text) => typeof text === 'string')) {
    throw new Problem('bad-request', `"${name}" must be a list of at most ${limits.undoEntries} strings`);
  }
  return value;
};

/** The size of a page, 1 to 1000. */
export const limitOf = (fields: Fields): number => {
  const value = Number(fields['limit'] ?? limits.pageMax);
  if (!Number.isInteger(value) || value < 1) throw new Problem('bad-request', '"limit" must be a number from 1 on');
  return Math.min(value, limits.pageMax);
};

/** Identifies a request with a JSON body: its key, and a fingerprint of all that it asks. */
export const effectOf = (request: FastifyRequest, endpoint: string, asked: unknown): Effect => ({
  endpoint,
  key: checkedKey(request.headers['idempotency-key']),
  fingerprint: fingerprintOf(endpoint, JSON.stringify(asked)),
});
