import { type BucketEvent, type BucketEventType, isFolder } from './event.ts';
import { Invalid, readEtag, readSize, readText, readTime, rejecting, required, shown } from './fields.ts';
import { pathOfKey, pathOfObject } from './keys.ts';
import { field, isObject } from './limits.ts';
import type { Decoded } from './message.ts';
import { versionToken } from './order.ts';

/** The service's own event: one JSON object a message. */

/** What an event may be of; outcomes are the service's own, and no producer's. */
const types: readonly BucketEventType[] = ['create', 'delete', 'rename', 'move', 'change_permission'];

const readPath = (object: unknown, name: string): string | undefined => {
  const value = readText(object, name);
  if (value === undefined) return undefined;
  const checked = pathOfKey(value);
  if ('problem' in checked) throw new Invalid(`${name}: ${checked.problem}`);
  return checked.path;
};

const readType = (object: unknown): BucketEventType => {
  const value = field(object, 'type');
  const type = types.find((name) => name === value);
  if (type) return type;
  const meant = types.find((name) => typeof value === 'string' && name.slice(0, 3) === value.toLowerCase().slice(0, 3));
  throw new Invalid(
    `type: expected one of ${types.join(', ')}, found ${shown(value)}${meant ? ` (did you mean ${meant}?)` : ''}`,
  );
};

const readPermissions = (object: unknown): string | undefined => {
  const value = field(object, 'permissions');
  if (typeof value === 'number') {
    throw new Invalid(`permissions: expected a string such as "0644", found the number ${value}: quote it`);
  }
  const given = readText(object, 'permissions', { lengthMax: 256 });
  if (given !== undefined && /[\u0000-\u001f\u007f]/.test(given)) {
    throw new Invalid(`permissions: expected printable characters, found ${shown(given)}`);
  }
  return given;
};

const readVersion = (object: unknown): string | undefined => {
  const value = field(object, 'version');
  if (value === undefined || value === null) return undefined;
  if (Number.isSafeInteger(value) && (value as number) >= 0) return versionToken(value as number);
  if (typeof value !== 'string')
    throw new Invalid(`version: expected an order token (a string or a whole number), found ${shown(value)}`);
  return versionToken(readText(object, 'version', { lengthMax: 256 }) as string);
};

/** The destination of a rename or move, checked against its source. */
const readDestination = (object: unknown, type: BucketEventType, from: string): string | undefined => {
  if (type !== 'rename' && type !== 'move') return undefined;
  const to = required(readPath(object, 'to'), `to (the full new path of a ${type})`);
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

const decodeObject = (object: unknown): Decoded => {
  const type = readType(object);
  const from = required(readPath(object, 'path'), 'path');
  const to = readDestination(object, type, from);
  const given = {
    size: readSize(object, 'size'),
    etag: readEtag(object, 'etag'),
    permissions: readPermissions(object),
    version: readVersion(object),
    key: readText(object, 'key'),
    modifiedAt: readTime(object, 'modified_at'),
  };
  const whole = type === 'create' ? pathOfObject(from, given.size) : { path: from };
  if ('problem' in whole) throw new Invalid(`size: ${whole.problem}`);
  const scope = field(object, 'scope');
  if (scope !== undefined && scope !== 'marker') throw new Invalid(`scope: expected "marker", found ${shown(scope)}`);
  if (type === 'change_permission' && given.permissions === undefined) throw new Invalid('permissions is missing');
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const event: BucketEvent = {
    id: required(readText(object, 'id', { lengthMax: 1_024 }), 'id'),
    type,
    time: required(readTime(object, 'time'), 'time'),
    path: from,
    ...(to !== undefined && { to }),
    ...present,
    ...(scope === 'marker' && { scope }),
    source: 'native',
  };
  return { kind: 'event', event };
};

/** Decodes one native event; every mistake is named with its field. */
export const decodeNative = (object: unknown): Decoded => rejecting('native event', () => decodeObject(object));
