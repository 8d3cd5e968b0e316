import { type BucketEvent, type BucketEventType, isFolder } from './event.ts';
import { pathOfKey } from './keys.ts';
import { field, isObject, limits } from './limits.ts';
import type { Decoded } from './message.ts';
import { versionToken } from './order.ts';
import { utcTime } from './time.ts';

/** The service's own event: one JSON object a message. */
const types: readonly BucketEventType[] = ['create', 'delete', 'rename', 'move', 'change_permission'];

class Invalid extends Error {
  override readonly name = 'Invalid';
}

const shown = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 120));

const text = (object: unknown, name: string, lengthMax: number): string | undefined => {
  const value = field(object, name);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value === '' || value.length > lengthMax) {
    throw new Invalid(`${name}: expected a string of 1 to ${lengthMax} characters, found ${shown(value)}`);
  }
  return value;
};

const time = (object: unknown, name: string): string | undefined => {
  const value = field(object, name);
  if (value === undefined || value === null) return undefined;
  const utc = utcTime(value);
  if (!utc)
    throw new Invalid(`${name}: expected an RFC 3339 time such as "2026-01-31T12:00:00Z", found ${shown(value)}`);
  return utc;
};

const path = (object: unknown, name: string): string | undefined => {
  const value = text(object, name, limits.textMax);
  if (value === undefined) return undefined;
  const checked = pathOfKey(value);
  if ('problem' in checked) throw new Invalid(`${name}: ${checked.problem}`);
  return checked.path;
};

const required = <T>(value: T | undefined, name: string): T => {
  if (value === undefined) throw new Invalid(`${name} is missing`);
  return value;
};

const typeOf = (object: unknown): BucketEventType => {
  const value = field(object, 'type');
  const type = types.find((name) => name === value);
  if (type) return type;
  const meant = types.find((name) => typeof value === 'string' && name.slice(0, 3) === value.toLowerCase().slice(0, 3));
  throw new Invalid(
    `type: expected one of ${types.join(', ')}, found ${shown(value)}${meant ? ` (did you mean ${meant}?)` : ''}`,
  );
};

const size = (object: unknown): number | undefined => {
  const value = field(object, 'size');
  if (value === undefined || value === null) return undefined;
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw new Invalid(`size: expected a number of bytes, found ${shown(value)}`);
  }
  return value as number;
};

const permissions = (object: unknown): string | undefined => {
  const value = field(object, 'permissions');
  if (typeof value === 'number') {
    throw new Invalid(`permissions: expected a string such as "0644", found the number ${value}: quote it`);
  }
  const given = text(object, 'permissions', 256);
  if (given !== undefined && /[\u0000-\u001f\u007f]/.test(given)) {
    throw new Invalid(`permissions: expected printable characters, found ${shown(given)}`);
  }
  return given;
};

const version = (object: unknown): string | undefined => {
  const value = field(object, 'version');
  if (value === undefined || value === null) return undefined;
  if (
    (typeof value === 'string' && value !== '' && value.length <= 256) ||
    (Number.isSafeInteger(value) && (value as number) >= 0)
  ) {
    return versionToken(value as string | number);
  }
  throw new Invalid(`version: expected an order token (a string or a whole number), found ${shown(value)}`);
};

/** The destination of a rename or move, checked against its source. */
const destination = (object: unknown, type: BucketEventType, from: string): string | undefined => {
  if (type !== 'rename' && type !== 'move') return undefined;
  const to = required(path(object, 'to'), `to (the full new path of a ${type})`);
  if (to === from) throw new Invalid(`to: a ${type} must lead to another path, found ${shown(to)} twice`);
  if (isFolder(to) !== isFolder(from)) {
    throw new Invalid(`to: ${shown(from)} and ${shown(to)} must both be files, or both be folders (ending in '/')`);
  }
  if (isFolder(from) && to.startsWith(from))
    throw new Invalid(`to: the folder ${shown(from)} cannot go into itself, ${shown(to)}`);
  return to;
};

/** Whether an object is meant as a native event. */
export const looksNative = (value: unknown): boolean =>
  isObject(value) && Object.hasOwn(value, 'type') && (Object.hasOwn(value, 'path') || Object.hasOwn(value, 'id'));

/** Decodes one native event; every mistake is named with its field. */
export const decodeNative = (object: unknown): Decoded => {
  try {
    const type = typeOf(object);
    const from = required(path(object, 'path'), 'path');
    const to = destination(object, type, from);
    const given = {
      size: size(object),
      etag: text(object, 'etag', 1_024),
      permissions: permissions(object),
      version: version(object),
      key: text(object, 'key', limits.textMax),
      modifiedAt: time(object, 'modified_at'),
    };
    const scope = field(object, 'scope');
    if (scope !== undefined && scope !== 'marker') throw new Invalid(`scope: expected "marker", found ${shown(scope)}`);
    if (type === 'change_permission' && given.permissions === undefined) throw new Invalid('permissions is missing');
    const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const event: BucketEvent = {
      id: required(text(object, 'id', 1_024), 'id'),
      type,
      time: required(time(object, 'time'), 'time'),
      path: from,
      ...(to !== undefined && { to }),
      ...present,
      ...(scope === 'marker' && { scope }),
      source: 'native',
    };
    return { kind: 'event', event };
  } catch (error) {
    if (error instanceof Invalid) return { kind: 'reject', reason: `native event: ${error.message}` };
    throw error;
  }
};
