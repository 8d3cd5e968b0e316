import { Invalid, readText, rejecting, shown } from './fields.ts';
import { field, isObject, type JsonObject, parseJson } from './limits.ts';
import type { Decoded, Message } from './message.ts';
import { decodeNative } from './native.ts';

const checkVersion = (version: unknown): void => {
  if (typeof version !== 'string' || !/^1\.\d{1,9}$/.test(version))
    throw new Invalid(`CloudEvents version ${shown(version)} is not known (1.x is)`);
};

/**
 * Senders number their envelopes without knowing of each other: only the source and the id together name one (CloudEvents
 * 1.0, `id`). No source holds a space (it is a URI), so that no two pairs give one text. Without a source, or an id, there
 * is nothing to join.
 */
const identityOf = (envelope: JsonObject): unknown => {
  const id = field(envelope, 'id');
  const source = readText(envelope, 'source', { lengthMax: 1_024, emptyIsAbsent: true });
  return source && typeof id === 'string' && id !== '' ? `${source.replaceAll(' ', '%20')} ${id}` : id;
};

/** The fields that the data states: null is as good as absent, here as everywhere. */
const stated = (data: unknown): JsonObject =>
  isObject(data) ? Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null)) : {};

/**
 * The native event that a CloudEvent carries: its data, and from the envelope what the data leaves out. The last word of
 * the envelope's type is the native one (`com.example.file.create`), its subject the path.
 */
const nativeIn = (envelope: JsonObject, data: unknown): Decoded => {
  if (data !== undefined && data !== null && !isObject(data))
    throw new Invalid(`CloudEvents data: expected a JSON object, found ${shown(data)}`);
  const type = readText(envelope, 'type')?.split('.').at(-1);
  return decodeNative({
    // An id in the data is the event's own: bare or in another envelope it is the same event.
    id: identityOf(envelope),
    type,
    time: field(envelope, 'time'),
    path: field(envelope, 'subject'),
    ...stated(data),
  });
};

/** `data`, or `data_base64` where the producer wrote its JSON as bytes. */
const dataOf = (envelope: JsonObject): unknown => {
  const encoded = readText(envelope, 'data_base64', { lengthMax: Number.POSITIVE_INFINITY });
  if (encoded === undefined) return field(envelope, 'data');
  if (field(envelope, 'data') !== undefined) throw new Invalid('CloudEvents: data and data_base64 exclude each other');
  const parsed = parseJson(Buffer.from(encoded, 'base64'));
  if ('problem' in parsed) throw new Invalid(`CloudEvents data_base64: ${parsed.problem}`);
  return parsed.value;
};

/** CloudEvents 1.0 in structured mode: one JSON object with its data inside. */
export const decodeStructured = (envelope: JsonObject): Decoded =>
  rejecting('CloudEvent', () => {
    checkVersion(field(envelope, 'specversion'));
    return nativeIn(envelope, dataOf(envelope));
  });

/** Whether the attributes (`ce-…`, of HTTP headers or of a broker) are those of binary mode. */
export const isBinary = (attributes: Message['attributes']): boolean => attributes['ce-specversion'] !== undefined;

/** CloudEvents 1.0 in binary mode: the attributes are the envelope, the body is the data, and may be empty. */
export const decodeBinary = ({ attributes, body }: Message): Decoded =>
  rejecting('CloudEvent', () => {
    checkVersion(attributes['ce-specversion']);
    const parsed = body.length === 0 ? { value: undefined } : parseJson(body);
    if ('problem' in parsed) throw new Invalid(parsed.problem);
    const { 'ce-id': id, 'ce-source': source, 'ce-type': type, 'ce-time': time, 'ce-subject': subject } = attributes;
    return nativeIn({ id, source, type, time, subject }, parsed.value);
  });
