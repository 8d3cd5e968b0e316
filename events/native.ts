import { type BucketEvent, type BucketEventType, isFolder, isOutcomeId } from './event.ts';
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

const readPermissions = (object: unknown, type: BucketEventType | undefined): string | undefined => {
  const value = field(object, 'permissions');
  if (typeof value === 'number') {
    throw new Invalid(`permissions: expected a string such as "0644", found the number ${value}: quote it`);
  }
  const given = readText(object, 'permissions', { lengthMax: 256 });
  if (given !== undefined && /[\u0000-\u001f\u007f]/.test(given)) {
    throw new Invalid(`permissions: expected printable characters, found ${shown(given)}`);
  }
  return type === 'change_permission' ? required(given, 'permissions') : given;
};

const readVersion = (object: unknown): string | undefined => {
  const value = field(object, 'version');
  if (value === undefined || value === null) return undefined;
  if (Number.isSafeInteger(value) && (value as number) >= 0) return versionToken(value as number);
  if (typeof value !== 'string')
    throw new Invalid(`version: expected an order token (a string or a whole number), found ${shown(value)}`);
  return versionToken(readText(object, 'version', { lengthMax: 256 }) as string);
};

/** The destination of a rename or move; other events have none. */
const readDestination = (object: unknown, type: BucketEventType | undefined): string | undefined =>
  type === 'rename' || type === 'move'
    ? required(readPath(object, 'to'), `to (the full new path of a ${type})`)
    : undefined;

const insistOnDestination = (type: BucketEventType, from: string, to: string): void => {
  if (to === from) throw new Invalid(`to: a ${type} must lead to another path, found ${shown(to)} twice`);
  if (isFolder(to) !== isFolder(from)) {
    throw new Invalid(`to: ${shown(from)} and ${shown(to)} must both be files, or both be folders (ending in '/')`);
  }
  if (isFolder(from) && to.startsWith(from))
    throw new Invalid(`to: the folder ${shown(from)} cannot go into itself, ${shown(to)}`);
};

const insistOnContent = (path: string, size: number | undefined): void => {
  const whole = pathOfObject(path, size);
  if ('problem' in whole) throw new Invalid(`size: ${whole.problem}`);
};

const readScope = (object: unknown): 'marker' | undefined => {
  const scope = field(object, 'scope');
  if (scope !== undefined && scope !== 'marker') throw new Invalid(`scope: expected "marker", found ${shown(scope)}`);
  return scope;
};

const readId = (object: unknown): string => {
  const id = required(readText(object, 'id', { lengthMax: 1_024 }), 'id');
  if (isOutcomeId(id)) throw new Invalid(`id: ${shown(id)} is one of the service's own: give the event another`);
  return id;
};

/** Whether an object is meant as a native event. */
export const looksNative = (value: unknown): boolean =>
  isObject(value) && Object.hasOwn(value, 'type') && (Object.hasOwn(value, 'path') || Object.hasOwn(value, 'id'));

/** Reads parts of an event, and keeps what is wrong with each in `problems`; such a part is undefined. */
const createReader =
  (problems: string[]) =>
  <T>(readPart: () => T): T | undefined => {
    try {
      return readPart();
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
      problems.push(error.message);
      return undefined;
    }
  };

const decodeObject = (object: unknown): Decoded => {
  const problems: string[] = [];
  const read = createReader(problems);
  const type = read(() => readType(object));
  const from = read(() => required(readPath(object, 'path'), 'path'));
  const to = read(() => readDestination(object, type));
  if (type && from !== undefined && to !== undefined) read(() => insistOnDestination(type, from, to));
  const size = read(() => readSize(object, 'size'));
  const etag = read(() => readEtag(object, 'etag'));
  const permissions = read(() => readPermissions(object, type));
  const version = read(() => readVersion(object));
  const key = read(() => readText(object, 'key'));
  const modifiedAt = read(() => readTime(object, 'modified_at'));
  if (type === 'create' && from !== undefined) read(() => insistOnContent(from, size));
  const scope = read(() => readScope(object));
  const id = read(() => readId(object));
  const time = read(() => required(readTime(object, 'time'), 'time'));
  if (type === undefined || from === undefined || id === undefined || time === undefined || problems.length > 0)
    throw new Invalid(problems.join('; '));
  const event: BucketEvent = {
    id,
    type,
    time,
    path: from,
    ...(to !== undefined && { to }),
    ...(size !== undefined && { size }),
    ...(etag !== undefined && { etag }),
    ...(permissions !== undefined && { permissions }),
    ...(version !== undefined && { version }),
    ...(key !== undefined && { key }),
    ...(modifiedAt !== undefined && { modifiedAt }),
    ...(scope === 'marker' && { scope }),
    source: 'native',
  };
  return { kind: 'event', event };
};

/** Decodes one native event; every mistake is named with its field, all of them at once. */
export const decodeNative = (object: unknown): Decoded => rejecting('native event', () => decodeObject(object));
