/**
 * From bucket key to path. The map is the identity on every key that a disk can hold under its own name, and hence
 * injective; any other key is refused with its reason, and goes to quarantine. Nothing is normalised, trimmed or
 * re-encoded: keys that differ only by case or by Unicode composition stay apart.
 */
export type PathCheck = { readonly path: string } | { readonly problem: string };

const segmentBytesMax = 255;
const keyBytesMax = 1_024;

/** Names at the top that belong to the service and its file manager: their own folder, and temporary names of plans. */
const ownNames = /^\.s3-sync(-tmp-[0-9a-f]+)?(?:\/|$)/i;

const shownKey = (key: string): string => JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key);

/** A segment that is empty or begins with a dot: no other can be at fault. Most keys have none, and are not taken apart. */
const dottedOrEmpty = /(?:^|\/)[./]/;

/** Why a text names no one place beneath a folder, however long it is; undefined when it does. */
export const placeProblem = (key: string): string | undefined => {
  if (key === '') return 'the key is empty';
  if (key.includes('\0')) return `${shownKey(key)} holds a NUL, which no file name can`;
  if (key.startsWith('/')) return `${shownKey(key)} starts with '/': its first segment is empty`;
  for (const segment of dottedOrEmpty.test(key) ? segmentsOf(key) : []) {
    if (segment === '') return `${shownKey(key)} has an empty segment ('//')`;
    if (segment === '.' || segment === '..')
      return `${shownKey(key)} has a segment '${segment}', which a disk resolves`;
  }
  return undefined;
};

const segmentsOf = (key: string): string[] => (key.endsWith('/') ? key.slice(0, -1) : key).split('/');

/** The path of a key, or why there is none. A trailing `/` names a folder. */
export const pathOfKey = (key: string): PathCheck => {
  if (!key.isWellFormed()) return { problem: `${shownKey(key)} is not valid Unicode (a lone surrogate)` };
  const bytes = Buffer.byteLength(key);
  if (bytes > keyBytesMax) return { problem: `${shownKey(key)} is longer than ${keyBytesMax} bytes` };
  const problem = placeProblem(key);
  if (problem !== undefined) return { problem };
  if (bytes > segmentBytesMax && segmentsOf(key).some((segment) => Buffer.byteLength(segment) > segmentBytesMax))
    return { problem: `${shownKey(key)} has a segment longer than ${segmentBytesMax} bytes` };
  if (ownNames.test(key)) return { problem: `${shownKey(key)} begins with a name that the service keeps for itself` };
  return { path: key };
};

/**
 * The path of an object, or why there is none. A key that ends in `/` stands for a folder, which has no content: such an
 * object with bytes in it cannot be carried over.
 */
export const pathOfObject = (key: string, size: number | undefined): PathCheck => {
  const checked = pathOfKey(key);
  if ('problem' in checked || !key.endsWith('/') || size === undefined || size === 0) return checked;
  return {
    problem: `${JSON.stringify(key)} names a folder and holds ${size} bytes: a folder has no content, give the object another key`,
  };
};

/**
 * The key of an S3 event notification: form-url-encoded, decoded exactly once (S3 user guide, event message structure).
 * Undefined when malformed.
 */
export const decodeNotificationKey = (encoded: string): string | undefined => {
  try {
    return decodeURIComponent(encoded.replace(/\+/g, ' '));
  } catch {
    return undefined;
  }
};
