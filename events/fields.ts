import { field, isObject, type JsonObject, limits } from './limits.ts';
import type { Decoded } from './message.ts';
import { utcTime } from './time.ts';

/**
 * Readers of single fields. Each either returns the value, or `undefined` where the field is absent (missing or null), or
 * throws `Invalid` naming the field and what was found: a field of another type is never taken for an absent one.
 */
export class Invalid extends Error {
  override readonly name = 'Invalid';
}

export const shown = (value: unknown): string =>
  value === undefined ? 'nothing' : (JSON.stringify(value)?.slice(0, 120) ?? String(value));

/** Runs a decoder of one fact: what it finds invalid is a reject, its reason begun with what the fact was taken for. */
export const rejecting = (what: string, decodeFact: () => Decoded): Decoded => {
  try {
    return decodeFact();
  } catch (error) {
    if (error instanceof Invalid) return { kind: 'reject', reason: `${what}: ${error.message}` };
    throw error;
  }
};

export type TextLimits = {
  /** How the field is named in a reason, where its own name says too little. */
  readonly label?: string;
  /** UTF-16 code units. */
  readonly lengthMax?: number;
  /** An empty text is an absent one: some producers send every field. */
  readonly emptyIsAbsent?: boolean;
};

/** A text that the log and every database can keep as it is: no NUL and no lone surrogate. */
export const readText = (
  object: unknown,
  name: string,
  { label = name, lengthMax = limits.textMax, emptyIsAbsent = false }: TextLimits = {},
): string | undefined => {
  const value = field(object, name);
  if (value === undefined || value === null || (emptyIsAbsent && value === '')) return undefined;
  if (typeof value !== 'string' || value === '' || value.length > lengthMax) {
    throw new Invalid(`${label}: expected a string of 1 to ${lengthMax} characters, found ${shown(value)}`);
  }
  if (value.includes('\0') || !value.isWellFormed()) {
    throw new Invalid(`${label}: expected text without NUL and lone surrogates, found ${shown(value)}`);
  }
  return value;
};

export const required = <T>(value: T | undefined, label: string): T => {
  if (value === undefined) throw new Invalid(`${label} is missing`);
  return value;
};

export const readObject = (object: unknown, name: string, label = name): JsonObject | undefined => {
  const value = field(object, name);
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw new Invalid(`${label}: expected an object, found ${shown(value)}`);
  return value;
};

export const readTime = (object: unknown, name: string): string | undefined => {
  const value = field(object, name);
  if (value === undefined || value === null) return undefined;
  const utc = utcTime(value);
  if (utc === undefined)
    throw new Invalid(`${name}: expected an RFC 3339 time such as "2026-01-31T12:00:00Z", found ${shown(value)}`);
  return utc;
};

/** A number of bytes. */
export const readSize = (object: unknown, name: string, label = name): number | undefined => {
  const value = field(object, name);
  if (value === undefined || value === null) return undefined;
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    const most = (value as number) > Number.MAX_SAFE_INTEGER ? ` of at most ${Number.MAX_SAFE_INTEGER}` : '';
    throw new Invalid(`${label}: expected a number of bytes${most}, found ${shown(value)}`);
  }
  // Not -0, which is written as 0 and read as another number.
  return (value as number) + 0;
};

/** An etag without the quotes that HTTP puts around it, of the characters that an `If-Match` can carry. */
export const readEtag = (object: unknown, name: string, label = name): string | undefined => {
  const given = readText(object, name, { label, lengthMax: 1_024, emptyIsAbsent: true });
  const bare = given?.replace(/^"(.*)"$/, '$1');
  if (bare !== undefined && !/^[\x20\x21\x23-\x7e]+$/.test(bare)) {
    throw new Invalid(`${label}: expected printable ASCII characters without quotes, found ${shown(given)}`);
  }
  return bare;
};
