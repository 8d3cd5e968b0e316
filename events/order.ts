import type { LogEvent } from './event.ts';

/**
 * Order tokens and the order of events.
 *
 * A token in normal form is `scheme:value` where `value` sorts by plain string comparison: numbers are written without
 * leading zeros behind their four-digit length, so that `s3:` tokens sort as a number of any width. Tokens compare only
 * within one scheme; across schemes, and without a token, the event's own time decides, and then log order. The clock of
 * this machine never takes part.
 */
export type Ordered = Pick<LogEvent, 'time' | 'id'> & { readonly version?: string; readonly offset: number };

/** Normal form of an unsigned number written in decimal or hexadecimal digits: length, then the digits. */
const sortableDigits = (digits: string): string => {
  const bare = digits.toLowerCase().replace(/^0+(?=.)/, '');
  return String(bare.length).padStart(4, '0') + bare;
};

/** Order token of an S3 sequencer: hexadecimal of any length and case, compared as a number (S3 event notification, `sequencer`). */
export const sequencerToken = (sequencer: string): string | undefined =>
  /^[0-9a-f]{1,128}$/i.test(sequencer) ? `s3:${sortableDigits(sequencer)}` : undefined;

/**
 * Order token of a producer whose sequencer is a clock's and no proof: the event's time, then the sequencer. What it orders
 * is ordered as time alone would, also beside events without a token.
 */
export const timedToken = (scheme: string, time: string, sequencer: string): string | undefined => {
  const digits = sequencerToken(sequencer)?.slice('s3:'.length);
  return digits === undefined ? undefined : `${scheme}:${timeKey(time)}.${digits}`;
};

/** Order token of a GCS object: generation, then metageneration (both decimal int64 as strings). */
export const generationToken = (generation: string, metageneration = '0'): string | undefined =>
  /^\d{1,32}$/.test(generation) && /^\d{1,32}$/.test(metageneration)
    ? `gcs:${sortableDigits(generation)}.${sortableDigits(metageneration)}`
    : undefined;

/** Order token of a native event's `version`: digits compare as a number, anything else by its UTF-16 code units. */
export const versionToken = (version: string | number): string =>
  /^\d{1,128}$/.test(String(version)) ? `n:${sortableDigits(String(version))}` : `v:${version}`;

/** The scheme of a token, or the empty string for an event without one. */
export const schemeOf = (version: string | undefined): string =>
  version === undefined ? '' : version.slice(0, version.indexOf(':'));

const utcSeconds = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/;

/** A UTC time as text of one width, so that two of them compare as text down to the nanosecond. */
export const timeKey = (time: string): string => {
  // The two forms that producers mostly write; this runs for every event of a replay.
  if (time.length === 24 && time[19] === '.' && time[23] === 'Z') return `${time.slice(0, 23)}000000`;
  if (time.length === 20 && time[19] === 'Z') return `${time.slice(0, 19)}.000000000`;
  const parts = utcSeconds.exec(time);
  if (!parts) throw new RangeError(`not an RFC 3339 time in UTC: ${JSON.stringify(time)}`);
  return `${parts[1]}.${(parts[2] ?? '').padEnd(9, '0')}`;
};

/** The first time after this one, given by its key; in a second's last nanosecond that time itself, and log order decides. */
export const justAfter = (key: string): string => {
  const nanoseconds = Math.min(Number(key.slice(20)) + 1, 999_999_999);
  return `${key.slice(0, 20)}${String(nanoseconds).padStart(9, '0')}Z`;
};

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Which of two events comes first. Same scheme: token, then time, then id, so that the answer is one under every order of
 * arrival. Otherwise: time, then log order.
 */
export const compareEvents = (a: Ordered, b: Ordered): number => {
  if (a.version !== undefined && b.version !== undefined && schemeOf(a.version) === schemeOf(b.version)) {
    return (
      compareText(a.version, b.version) || compareText(timeKey(a.time), timeKey(b.time)) || compareText(a.id, b.id)
    );
  }
  return compareText(timeKey(a.time), timeKey(b.time)) || a.offset - b.offset;
};
